"""What shops call things, in English, German, French, Italian, Portuguese and Spanish: tables of words, and how a name is
held against them. Names only hint; what a column holds is told by its values (`wizard.recognise`). No database here.

All words stand in lower case without accents. A phrase of a status says what a stored word means where it is all of it; where
it is only a part, it is no more than a guess: the longest one. A hint counts where a part of the name begins with it, or, from
five letters on, where it stands anywhere in the name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

# Ours -> phrases. The order within a meaning is the order in which one is proposed for writing.
STATUS: Mapping[str, tuple[str, ...]] = {
    "pending": (
        "booked", "booked in", "scheduled", "pending", "planned", "confirmed", "open", "new", "reserved", "requested", "call",
        "accepted", "created", "not started", "not yet started", "to do", "draft", "booking", "upcoming", "registered",
        "geplant", "offen", "neu", "gebucht", "angelegt", "bestatigt", "terminiert", "vorgemerkt", "nicht begonnen",
        "planifie", "prevu", "ouvert", "nouveau", "reserve", "confirme", "en attente", "a faire",
        "pianificato", "programmato", "prenotato", "aperto", "nuovo", "confermato", "chiamata", "in attesa", "da iniziare",
        "agendado", "marcado", "aberto", "novo", "confirmado", "pendente", "previsto", "por iniciar",
        "programado", "abierto", "nuevo", "reservado", "pendiente", "citado", "planificado",
    ),
    "processing": (
        "in progress", "processing", "wip", "work in progress", "started", "on hoist", "checked in", "arrived", "in workshop",
        "in service", "working", "ongoing", "under repair", "waiting for parts", "awaiting parts", "on hold", "paused", "active",
        "diagnosis", "inspection", "quality check", "waiting for approval", "waiting for customer", "waiting parts", "parked",
        "in arbeit", "in bearbeitung", "begonnen", "angenommen", "laufend", "wartet auf teile",
        "in der werkstatt", "eingetroffen",
        "en cours", "commence", "en atelier", "attente pieces", "en attente de pieces", "arrive", "demarre", "en reparation",
        "in corso", "in lavorazione", "iniziato", "arrivato", "in officina", "attesa ricambi", "in attesa ricambi", "accettato",
        "em andamento", "em curso", "iniciado", "em execucao", "na oficina", "aguardando pecas", "em reparacao", "recebido",
        "en curso", "en proceso", "en taller", "en progreso", "esperando piezas", "esperando repuestos", "recibido",
    ),
    "done": (
        "done", "ready", "completed", "complete", "finished", "ready for pickup", "ready for collection", "ok", "collected",
        "closed", "invoiced", "delivered", "picked up", "paid", "resolved", "billed", "work completed", "fat",
        "fertig", "erledigt", "abgeschlossen", "beendet", "abgeholt", "ausgeliefert", "berechnet", "fakturiert", "geschlossen",
        "termine", "fini", "pret", "livre", "facture", "cloture", "acheve", "restitue",
        "completato", "finito", "terminato", "concluso", "pronto", "consegnato", "fatturato", "chiuso", "evaso",
        "concluido", "terminado", "finalizado", "faturado", "entregue", "fechado",
        "completado", "listo", "entregado", "facturado", "cerrado", "hecho",
    ),
    "cancelled": (
        "cancelled", "canceled", "void", "voided", "deleted", "rejected", "declined", "withdrawn", "aborted", "cancellation",
        "storniert", "abgesagt", "abgebrochen", "geloscht", "annulliert", "abgelehnt",
        "annule", "supprime", "refuse",
        "annullato", "cancellato", "eliminato", "rifiutato", "disdetto",
        "cancelado", "anulado", "eliminado", "excluido", "recusado", "rechazado",
    ),
    "ignore": (
        "no show", "did not come", "lunch", "blocked", "holiday", "break", "leave", "absent", "template",
        "nicht erschienen", "gesperrt", "pause", "urlaub", "blockiert", "absence", "conges", "bloque", "non presente",
        "assente", "ferie", "bloccato", "nao compareceu", "ferias", "bloqueado", "no asistio", "vacaciones",
    ),
}  # fmt: skip
# What is "not done" may be anything.
NEGATED = (
    "not", "nicht", "non", "pas", "nao", "no", "never", "nie", "jamais",
    "mai", "nunca", "without", "ohne", "sans", "senza", "sem", "sin",
)  # fmt: skip

CATEGORY: Mapping[str, tuple[str, ...]] = {
    "service": ("service", "servicing", "wartung", "inspektion", "entretien", "revision", "tagliando", "revisao"),
    "tyres": ("tyres", "tyre", "tires", "reifen", "pneus", "pneumatici", "gomme", "neumaticos"),
    "repair": ("repair", "repairs", "reparatur", "reparation", "riparazione", "reparacao", "reparacion"),
    "others": ("other", "others", "misc", "sonstiges", "autre", "altro", "outro", "otro"),
}

# What a field's column, or a kind of table, may be called; an earlier hint is a stronger one.
HINTS: Mapping[str, tuple[str, ...]] = {
    "booking table": (
        "appointment", "booking", "reservation", "termin", "rendezvous", "rdv", "appuntament", "prenotazion", "agendament",
        "marcac", "cita", "workorder", "jobcard", "maintenancejob", "repairorder", "werkstattauftrag", "auftrag", "intervent",
        "ordem", "orden", "ordre", "order", "job", "visit", "schedule",
    ),
    "customer table": (
        "customer", "client", "kunde", "cliente", "anagrafic", "contact", "kontakt", "party", "debtor", "debitor", "owner",
        "person", "account",
    ),
    "vehicle table": ("vehicle", "fahrzeug", "veicol", "vehicul", "viatura", "coche", "auto", "car", "asset", "voiture",
                      "impiant"),
    "staff table": (
        "staff", "employee", "user", "technician", "mechanic", "mitarbeiter", "operator", "tecnic", "salarie", "empleado",
        "utente", "usuario", "advisor", "supplier", "resource", "fornitor", "lieferant",
    ),
    "status": ("status", "state", "stato", "stati", "statut", "etat", "estado", "situac", "zustand", "progress", "phase", "stage",
               "completed", "finished", "done", "erledigt", "fertig", "esito", "stat"),
    "starts_at": (
        "start", "scheduled", "bring", "dropoff", "begin", "from", "inizio", "von", "debut", "inicio", "appointment", "booked",
        "booking", "arriv", "termin", "planned", "checkin", "dt", "date", "datum", "data", "fecha", "when", "time", "uhr",
        "zeit", "ora", "heure", "hora", "orario", "richiesta",
    ),
    "ends_at": ("end", "finish", "return", "pickup", "until", "ready", "fine", "bis", "ende", "fin", "fim", "termino", "salida",
                "abhol", "to"),
    "changed_at": ("modif", "updated", "changed", "edited", "lastupd", "geandert", "aenderung", "aggiorn", "maj", "alterad",
                   "actualiz", "atualiz", "rowversion"),
    "created_at": ("creat", "added", "insert", "entered", "angelegt", "erstell", "cree", "creazion", "criad", "alta",
                   "ordered", "erf", "erfass", "erfdat", "erfzeit", "cadastr", "saisie"),
    "done_at": ("actual", "effective", "real", "completed", "finished", "started", "closed", "invoic", "paid", "birth",
                "deleted", "cancel", "lock", "sent", "expir", "reminder", "geburt", "nascit", "naiss", "nacim", "registration"),
    "started_at": ("actualstart", "started", "timestart", "realstart", "starttime", "begin", "inizio", "clockin", "start"),
    "finished_at": ("actualend", "finished", "completed", "timefinish", "realend", "endtime", "fine", "clockout", "end"),
    "later": ("next", "naechst", "nachst", "proxim", "prochain", "prossim", "warrant", "garant", "reminder", "due", "followup"),
    "deleted_at": ("deletedat", "deleted", "cancel", "storn", "annul", "anulad", "geloscht", "geloesch", "supprim", "eliminat",
                   "eliminad", "baja", "excluid", "borrado", "removed", "voided", "void", "abgesagt", "disdett"),
    "money": ("payment", "paid", "paym", "pay", "invoic", "billing", "parts", "zahl", "bezahl", "pago", "paiement", "pagament",
              "rechnung", "fattur", "factur", "fatur", "deposit"),
    "copy": ("archiv", "arch", "old", "alt", "backup", "bak", "copy", "kopie", "hist", "storic", "tmp"),
    "kind": ("kind", "type", "typ", "art", "tipo", "doctype", "rowtype", "recordtype", "class"),
    "branch": ("branch", "subsidiary", "filiale", "filial", "location", "site", "workshop", "sede", "sucursal", "succursale",
               "agence", "standort", "loja"),
    "dummy": ("dummy", "supplier", "placeholder", "test", "fake", "lieferant", "fornitor", "fournisseur", "proveedor"),
    "mobile": ("mobile", "mobil", "handy", "cell", "portable", "movil", "telemovel", "celular", "gsm"),
    "minutes": ("minutes", "duration", "dauer", "duree", "durata", "duracao", "duracion", "length", "mins"),
    "locked": ("locked", "lock", "inuse", "usedby", "openby", "openedby", "bloccat", "gesperrt",
               "verrouil", "bloque", "bloquead", "checkedout"),
    "repairy_ref": ("repairy", "onlineref", "onlineid", "externalref", "externalid", "onlinebooking", "webref", "webid"),
    "service_category": ("category", "work", "servicetype", "jobtype", "art", "kategorie", "categori", "tipo"),
    "description": ("description", "beschreib", "descri", "subject", "title", "job", "work", "request", "richiesta", "complaint",
                    "service", "task", "arbeit", "travaux", "trabajo", "servico", "betreff", "reason", "oggetto", "summary",
                    "fault", "problem", "averia", "avaria", "mangel", "defaut", "guasto"),
    "job_notes": ("notes", "note", "remark", "comment", "bemerkung", "notiz", "observ", "aggiuntiv", "kommentar", "memo",
                  "nota"),
    "workshop's notes": ("workshop", "mech", "tech", "atelier", "werkstatt", "taller", "officina", "oficina"),
    "no text": ("cancel", "storn", "annul", "anula", "default"),
    "loan": ("loan", "courtesy", "pret", "leih", "ersatz", "cortesia", "sostitutiv", "replacement"),
    "part of a car": ("fuel", "body", "tyre", "tire", "carburant", "kraftstoff", "engine", "reifen", "pneu",
                      "carrosserie", "karosserie", "combustib", "transmission", "gearbox", "getriebe", "battery", "batterie"),
    "internal_notes": ("internal", "intern", "private", "staff", "riservat", "interne", "privad"),
    "name": ("fullname", "customername", "name", "kundenname", "ragione", "denominaz", "nom", "nome", "nombre", "client",
             "customer", "kunde", "title"),
    "first_name": ("firstname", "givenname", "vorname", "prenom", "forename", "first", "given", "primeironome"),
    "last_name": ("lastname", "familyname", "surname", "nachname", "cognome", "apelido", "apellido", "family", "last"),
    "company": ("company", "firma", "societe", "azienda", "empresa", "business", "organisation", "organization"),
    "phone": ("mobile", "phone", "telefon", "handy", "cell", "tel", "portable", "movil", "telemovel", "celular", "fon",
              "contactno", "contactnumber", "rufnummer", "rufnr"),
    "email": ("email", "mail", "correo", "posta"),
    "rego": ("plate", "rego", "licenseplate", "licence", "license", "kennzeichen", "targa", "matricula", "immatricul",
             "placa", "registration", "regno", "numberplate"),
    "vin": ("vin", "chassis", "fahrgestell", "telaio", "chasis", "fin", "framenumber"),
    "make": ("make", "brand", "marke", "hersteller", "marca", "marque", "manufacturer", "fabricant"),
    "model": ("model", "modell", "modele", "modello", "modelo", "type", "typ"),
    "badge": ("badge", "variant", "trim", "series", "version", "ausfuhrung", "allestimento"),
    "year": ("year", "baujahr", "annee", "anno", "ano", "modelyear", "construction"),
}  # fmt: skip

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_APART = re.compile(r"[^a-z0-9]+")
_PLAIN = ("id", "ids", "nr", "no", "num", "number", "key", "code", "ref", "name", "tab", "fk", "pk", "date", "uuid", "guid",
          "tbl")  # fmt: skip
_AFTER_O, _AFTER_E = ("a", "os", "as", "i", "e"), ("e", "s", "es")  # cerrado, cerrada; facturé, facturée
_FLAG = ("is", "was", "ist", "est", "flag", "job", "work", "booking")  # what stands about the word in a flag's name
_LAST = max(map(len, STATUS.values()))  # the rank of what is no phrase
_STEM = 4  # letters that two names must share to mean the same thing;
_SHORT = 3  # so few are enough where the name says nothing else: `explore` looks at the values too


def plain(text: str) -> str:
    """Lower case, no accents, single spaces between words."""
    bare = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _APART.sub(" ", bare.casefold()).strip()


def parts(name: str) -> list[str]:
    """The words of a table's or column's name: `NumberPlate`, `number_plate`, `NUMBER PLATE`."""
    return plain(_CAMEL.sub(" ", name)).split()


def meaning(stored: str) -> str | None:
    """Our status for a stored word that is one of the phrases, whole: case, accents, spaces and marks do not count."""
    return _KNOWN.get(_squeezed(stored), (None, 0))[0]


def guess(stored: str) -> str | None:
    """What the longest phrase within a stored word would mean. Never sure: "Deposit paid" is not paid, nor done."""
    words = plain(_CAMEL.sub(" ", stored)).split()
    found = [
        (len(phrase), -rank, ours)
        for ours, phrases in STATUS.items()
        for rank, phrase in enumerate(phrases)
        if _stands(phrase.split(), words)
    ]
    return max(found)[2] if found else None


def preference(stored: str) -> int:
    """Which of several words of one meaning is the one to write: less is better."""
    return _KNOWN.get(_squeezed(stored), ("", _LAST))[1]


def finished(name: str) -> bool:
    """Whether a flag of this name says that the work is finished: `Completed`, `is_done`, `ist erledigt`."""
    return meaning(" ".join(word for word in parts(name) if word not in _FLAG)) == "done"


def category(stored: str) -> str | None:
    """Our service category for a stored word."""
    spelled = plain(stored).split()
    return next((ours for ours, words in CATEGORY.items() if any(word in spelled for word in words)), None)


def hint(what: str, name: str) -> float:
    """How much a name suggests this, from 0 to 1."""
    words, whole = parts(name), "".join(parts(name))
    for rank, stem in enumerate(HINTS[what]):
        if any(word.startswith(stem) if len(stem) > 3 else word in (stem, stem + "s") for word in words) or (
            len(stem) > 4 and stem in whole
        ):
            return 1 - rank / (2 * len(HINTS[what]))
    return 0.0


def akin(one: str, two: str) -> bool:
    """Whether two names share a word's stem: `id_anagrafica` and `an_anagrafiche`, `vehicle_no` and `tabVehicle`, `car_id` and
    `cars`; or are the same name, that says more than "number"."""
    mine, there = ([word for word in parts(name) if word not in _PLAIN] for name in (one, two))
    if mine and parts(one) == parts(two):
        return True
    if len(mine) == 1 and len(mine[0]) == _SHORT:
        return any(word.startswith(mine[0]) for word in there)
    stems = [word for word in mine if len(word) >= _STEM]
    return any(stem[: max(_STEM, len(stem) - 2)] in "".join(there) for stem in stems) or (
        any(len(word) > _STEM and word[: max(_STEM, len(word) - 2)] in "".join(stems) for word in there)
    )


def _squeezed(text: str) -> str:
    return plain(text).replace(" ", "")


def _forms(phrase: str) -> Iterator[str]:
    """The phrase; of a single word its feminine and plural forms too, as French, Italian, Portuguese and Spanish make them."""
    yield phrase
    if " " not in phrase and len(phrase) > 3:
        stem, endings = (phrase[:-1], _AFTER_O) if phrase[-1] == "o" else (phrase, _AFTER_E if phrase[-1] in "eitu" else ())
        yield from (stem + ending for ending in endings)


def _stands(phrase: list[str], words: list[str]) -> bool:
    """Whether the phrase stands in these words, and no "not" before it."""
    for at in range(len(words) - len(phrase) + 1):
        if words[at : at + len(phrase)] == phrase and (at == 0 or words[at - 1] not in NEGATED):
            return True
    return False


# Every phrase without its spaces, in all its forms -> ours, and its rank there.
_KNOWN: Mapping[str, tuple[str, int]] = {
    form.replace(" ", ""): (ours, rank)
    for ours, phrases in STATUS.items()
    for rank, phrase in enumerate(phrases)
    for form in _forms(phrase)
}
