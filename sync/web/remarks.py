"""What the running program knows beside the state, for the status page: deliveries refused, passes that take too long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sync.pulse import Pulse
from sync.web.hearing import refused
from sync.web.webhooks import Intake
from sync.web.wording import count, sentence

FEW = 1  # of a first pass, or one after an outage, everybody expects that it takes its time
SHARE = 0.1  # of a workshop's passes


def remarks(intake: Intake, pulse: Pulse, now: datetime) -> list[str]:
    """Sentences, most grave first; none where all is as it should be."""
    return [*_webhooks(intake, now), *_passes(pulse)]


def _webhooks(intake: Intake, now: datetime) -> Iterator[str]:
    if intake.unfetched:
        yield f"Webhooks cannot be fetched from the relay. {sentence(intake.unfetched)}"
    if intake.unstored:
        many = count(intake.unstored, "webhook delivery", "webhook deliveries")
        yield f"{many} could not be stored and will be sent again by Repairy. {sentence(intake.last_problem)}"
    yield from refused(intake.refused, "the start", intake.refusals[-1] if intake.refusals else None, now)


def _passes(pulse: Pulse) -> Iterator[str]:
    passes = pulse.passes
    for name, late in pulse.overruns.items():
        if late > FEW and late > SHARE * passes[name]:
            between = f"{pulse.every.total_seconds():.0f} s"
            yield f"{name}: {late:,} of {passes[name]:,} passes took longer than the {between} between two."
