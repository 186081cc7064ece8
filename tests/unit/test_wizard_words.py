"""The wizard's words: what shops call their statuses in six languages, and what names hint at."""

from __future__ import annotations

import pytest

from sync.core.booking import IGNORE, STATUSES
from sync.shop.wizard import words

MEANT = {
    # English
    "Booked in": "pending", "Scheduled": "pending", "NOT STARTED": "pending", "On hoist": "processing",
    "In Progress": "processing", "In-Progress": "processing", "Checked-In": "processing", "Waiting for parts": "processing",
    "WIP": "processing", "Ready": "done", "Completed": "done", "Collected": "done", "Ready for pickup": "done",
    "Cancelled": "cancelled", "No-Show": "ignore", "NoShow": "ignore", "Lunch": "ignore",
    # German
    "Geplant": "pending", "Offen": "pending", "In Arbeit": "processing", "Abgeschlossen": "done", "Storniert": "cancelled",
    "Bestätigt": "pending", "Gelöscht": "cancelled", "Nicht erschienen": "ignore",
    # French
    "Prévu": "pending", "En attente": "pending", "En cours": "processing", "Terminé": "done", "Annulé": "cancelled",
    "Livrée": "done", "Facturées": "done", "Confirmés": "pending", "Prévue": "pending",
    "En attente de pièces": "processing",
    # Italian
    "Prenotato": "pending", "In lavorazione": "processing", "Completato": "done", "Fatturato": "done", "Annullata": "cancelled",
    "CALL": "pending", "OK": "done", "FAT": "done", "Consegnate": "done", "Prenotati": "pending",
    # Portuguese
    "Agendado": "pending", "Em andamento": "processing", "Concluído": "done", "Não compareceu": "ignore", "Excluído": "cancelled",
    # Spanish
    "Pendiente": "pending", "En proceso": "processing", "Entregado": "done", "Anulada": "cancelled", "No asistió": "ignore",
    "Confirmada": "pending", "Terminada": "done", "Entregadas": "done", "Cerrada": "done", "Hechos": "done",
    # one word or two
    "INPROGRESS": "processing", "Picked-up": "done", "To-do": "pending",
}  # fmt: skip


@pytest.mark.parametrize(("stored", "ours"), MEANT.items())
def test_a_stored_word_means(stored: str, ours: str) -> None:
    assert words.meaning(stored) == ours


@pytest.mark.parametrize(
    "stored", ["4", "X", "", "Not completed", "Nicht abgeschlossen", "Unfinished business", "Never started", "Todos"]
)
def test_what_nobody_can_say_is_not_guessed(stored: str) -> None:
    assert (words.meaning(stored), words.guess(stored)) == (None, None)


@pytest.mark.parametrize(
    ("stored", "perhaps"),
    [
        ("Canceled by customer", "cancelled"), ("Cancellation requested", "cancelled"), ("Deposit paid", "done"),
        ("Ready to start", "done"), ("Payment pending", "pending"), ("Work started, parts late", "processing"),
    ],
)  # fmt: skip
def test_a_part_of_what_is_stored_is_a_guess_and_no_meaning(stored: str, perhaps: str) -> None:
    assert (words.meaning(stored), words.guess(stored)) == (None, perhaps)


def test_no_form_of_a_phrase_means_two_things() -> None:
    formed = {
        (form.replace(" ", ""), ours) for ours, known in words.STATUS.items() for one in known for form in words._forms(one)
    }
    assert len({form for form, _ in formed}) == len(formed)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Completed", True), ("is_done", True), ("IstErledigt", True), ("job_finished", True), ("terminado", True),
        ("status", False), ("active", False), ("not_finished", False), ("is_cancelled", False), ("status_ok", False),
    ],
)  # fmt: skip
def test_a_flags_name_says_whether_it_means_finished(name: str, says: bool) -> None:
    assert words.finished(name) is says


def test_the_list_has_a_meaning_of_ours_for_every_phrase_and_no_phrase_twice() -> None:
    phrases = [phrase for known in words.STATUS.values() for phrase in known]
    assert set(words.STATUS) == {*STATUSES, IGNORE}
    assert len(phrases) == len(set(phrases))


@pytest.mark.parametrize("phrase", [phrase for known in words.STATUS.values() for phrase in known])
def test_every_phrase_is_spelled_as_it_is_looked_up(phrase: str) -> None:
    assert words.plain(phrase) == phrase


@pytest.mark.parametrize(
    ("better", "worse"), [("Ready", "Collected"), ("OK", "FAT"), ("On hoist", "Waiting for parts"), ("Booked", "Open")]
)
def test_of_two_words_the_one_that_says_only_that_is_written(better: str, worse: str) -> None:
    """Writing "Collected" or "FAT" would tell the shop's program more than happened."""
    assert words.preference(better) < words.preference(worse)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("NumberPlate", ["number", "plate"]),
        ("number_plate", ["number", "plate"]),
        ("Nummernschild Kunde", ["nummernschild", "kunde"]),
        ("VIN", ["vin"]),
        ("id_anagrafica", ["id", "anagrafica"]),
    ],
)
def test_a_name_falls_into_its_words(name: str, found: list[str]) -> None:
    assert words.parts(name) == found


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("booking table", "tabService Appointment"), ("booking table", "in_interventi"), ("booking table", "Werkstatttermine"),
        ("booking table", "agendamentos"), ("customer table", "an_anagrafiche"), ("customer table", "Kunden"),
        ("vehicle table", "Fahrzeuge"), ("vehicle table", "veicoli"), ("rego", "Kennzeichen"), ("rego", "LicenseNumber"),
        ("rego", "targa"), ("phone", "TelephoneNumber"), ("phone", "cellulare"), ("phone", "telemovel"), ("email", "E-Mail"),
        ("starts_at", "orario_inizio"), ("starts_at", "bring_timestamp"), ("ends_at", "EndTime"), ("ends_at", "return_timestamp"),
        ("changed_at", "modified_timestamp"), ("locked", "is_bloccato"), ("locked", "lock_time"), ("deleted_at", "deleted_at"),
        ("repairy_ref", "online_ref"), ("first_name", "Vorname"), ("last_name", "family_name"), ("make", "Brand"),
        ("vin", "chassis_no"), ("year", "Baujahr"), ("branch", "subsidiary"), ("kind", "doc_type"),
    ],
)  # fmt: skip
def test_a_name_hints_at(what: str, name: str) -> None:
    assert words.hint(what, name) > 0


@pytest.mark.parametrize(
    ("what", "name"),
    [("ends_at", "vendor"), ("ends_at", "customer"), ("changed_at", "lock_time"), ("vin", "moving"), ("status", "city")],
)
def test_a_name_hints_at_nothing_by_accident(what: str, name: str) -> None:
    assert words.hint(what, name) == 0


@pytest.mark.parametrize(
    ("one", "two", "are"),
    [
        ("id_anagrafica", "an_anagrafiche", True), ("id_stato", "in_stati_intervento", True), ("vehicle_no", "tabVehicle", True),
        ("CustomerID", "Customer", True), ("idstatointervento", "in_stati_intervento", True),
        ("id_tecnico", "an_anagrafiche", False),
        ("car_id", "cars", True), ("CarID", "Cars", True), ("KdNr", "KdNr", True), ("kd_nr", "KdNr", True),
        ("veh_id", "vehicles", True), ("car_id", "customers", False), ("car_type", "cards", False), ("id", "id", False),
        ("code", "codes", False), ("number", "customer_numbers", False),
    ],
)  # fmt: skip
def test_names_are_akin_by_a_stem(one: str, two: str, are: bool) -> None:
    assert words.akin(one, two) is are


@pytest.mark.parametrize(
    ("stored", "ours"), [("Service", "service"), ("Reifen", "tyres"), ("Repairs", "repair"), ("Sonstiges", "others")]
)
def test_kinds_of_work(stored: str, ours: str) -> None:
    assert words.category(stored) == ours
