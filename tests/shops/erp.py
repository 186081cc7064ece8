"""Layout 4: an ERP on MariaDB. The time stands in technicians' sessions, '' stands for none, numbers are made by the program.

There is no cancelled status; a deleted job is hidden. A finished one is locked by its state. The car is a customer's "plant".
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import ClassVar

from tests.shops.maria import may_read
from tests.shops.program import Planned, Program, Row, email, name, phone, plate

STORED = {"pending": "CALL", "processing": "WIP", "done": "FAT", "cancelled": "OK"}
WORDS = {"CALL": "pending", "WIP": "processing", "OK": "done", "FAT": "done"}
TABLES = (
    """CREATE TABLE an_anagrafiche (id INT AUTO_INCREMENT PRIMARY KEY, ragione_sociale VARCHAR(255) NOT NULL,
         telefono VARCHAR(50) NOT NULL, cellulare VARCHAR(50) NOT NULL, email VARCHAR(255) NOT NULL,
         partita_iva VARCHAR(16) NOT NULL, codice_fiscale VARCHAR(16) NOT NULL, indirizzo VARCHAR(255) NOT NULL,
         deleted_at DATETIME NULL)""",
    """CREATE TABLE my_impianti (id INT AUTO_INCREMENT PRIMARY KEY, id_anagrafica INT NOT NULL, matricola VARCHAR(25) NOT NULL,
         nome VARCHAR(255) NOT NULL)""",
    """CREATE TABLE in_stati_intervento (id INT AUTO_INCREMENT PRIMARY KEY, codice VARCHAR(10) NOT NULL UNIQUE,
         is_bloccato TINYINT(1) NOT NULL)""",
    """CREATE TABLE in_interventi (id INT AUTO_INCREMENT PRIMARY KEY, codice VARCHAR(25) NOT NULL UNIQUE,
         id_anagrafica INT NOT NULL, id_stato INT NOT NULL, id_tipo INT NOT NULL,
         data_richiesta DATETIME NOT NULL, richiesta TEXT NOT NULL, informazioni_aggiuntive TEXT NOT NULL,
         deleted_at DATETIME NULL, updated_at TIMESTAMP NULL ON UPDATE CURRENT_TIMESTAMP,
         FOREIGN KEY (id_stato) REFERENCES in_stati_intervento (id))""",
    """CREATE TABLE in_interventi_tecnici (id INT AUTO_INCREMENT PRIMARY KEY, id_intervento INT NOT NULL, id_tecnico INT NOT NULL,
         orario_inizio DATETIME NULL, orario_fine DATETIME NULL, uid VARCHAR(255) NOT NULL,
         FOREIGN KEY (id_intervento) REFERENCES in_interventi (id) ON DELETE CASCADE)""",
    """CREATE TABLE my_impianti_interventi (id_intervento INT NOT NULL, id_impianto INT NOT NULL,
         PRIMARY KEY (id_intervento, id_impianto),
         FOREIGN KEY (id_intervento) REFERENCES in_interventi (id) ON DELETE CASCADE)""",
    "INSERT INTO in_stati_intervento (codice, is_bloccato) VALUES ('CALL', 0), ('WIP', 0), ('OK', 1), ('FAT', 1)",
)
CUSTOMER = "REPLACE INTO an_anagrafiche VALUES (:id, :name, '', :phone, :email, '', '', '', NULL)"
PLANT = "REPLACE INTO my_impianti VALUES (:id, :customer, :plate, 'Fiat')"
JOB = """
INSERT INTO in_interventi
  (id, codice, id_anagrafica, id_stato, id_tipo, data_richiesta, richiesta, informazioni_aggiuntive, deleted_at)
VALUES (:id, :code, :customer, (SELECT id FROM in_stati_intervento WHERE codice = :status), 1, :start, '', '', :deleted)
"""
SESSION = "INSERT INTO in_interventi_tecnici VALUES (NULL, :id, 3, :start, :end, '')"
LINE = "INSERT INTO my_impianti_interventi VALUES (:id, :plant)"
ROW = """
SELECT s.codice, (SELECT MIN(orario_inizio) FROM in_interventi_tecnici t WHERE t.id_intervento = i.id), i.informazioni_aggiuntive,
  m.matricola, a.cellulare
FROM in_interventi i JOIN in_stati_intervento s ON s.id = i.id_stato JOIN an_anagrafiche a ON a.id = i.id_anagrafica
JOIN my_impianti_interventi x ON x.id_intervento = i.id JOIN my_impianti m ON m.id = x.id_impianto
WHERE i.id = :key AND i.deleted_at IS NULL
"""


class Erp(Program):
    name = "erp"
    engine = "mariadb"
    profile = "erp-interventi"
    can = frozenset({"create", "move", "note", "start", "finish"})
    traits = frozenset({"deleted", "unreadable", "undated"})
    absent: ClassVar[Mapping[str, str]] = {
        "cancel": "there is no cancelled status: a job that is off is deleted, and a missing row is no cancellation"
    }

    def make(self) -> None:
        for sql in TABLES:
            self.run(sql)

    def fill(self, bookings: list[Planned]) -> None:
        self.run_many(CUSTOMER, [_customer(number) for number in sorted({one.customer for one in bookings})])
        self.run_many(PLANT, [_plant(one.number, one.customer) for one in bookings])
        self.run_many(JOB, [_job(one) for one in bookings])
        self.run_many(SESSION, [_planned(one) for one in bookings if one.trait != "undated"])
        self.run_many(LINE, [{"id": _id(one.number), "plant": _id(one.number)} for one in bookings])

    def book(self, number: int, start: datetime) -> str:
        """The number is the highest so far and one more."""
        self.run_many(CUSTOMER, [_customer(number)])
        self.run_many(PLANT, [_plant(number, number)])
        ((key,),) = self.run("SELECT COALESCE(MAX(id), 0) + 1 FROM in_interventi")
        self.run(JOB, **{**_job(Planned(number, number, start, "pending", "")), "id": key, "code": f"INT-{key:06}"})
        self.run(SESSION, **_session(key, start))
        self.run(LINE, id=key, plant=_id(number))
        return str(key)

    def row(self, key: str) -> Row | None:
        found = self.run(ROW, key=int(key))
        if not found:
            return None
        status, start, notes, its_plate, its_phone = found[0]
        return Row(key, WORDS[status], start, notes, its_plate, its_phone)

    def keys_of(self, plate: str) -> list[str]:
        sql = """SELECT x.id_intervento FROM my_impianti_interventi x JOIN my_impianti m ON m.id = x.id_impianto
                 WHERE REPLACE(m.matricola, ' ', '') = :plate ORDER BY 1"""
        return [str(key) for (key,) in self.run(sql, plate=plate)]

    def move(self, key: str, start: datetime) -> None:
        sql = "UPDATE in_interventi_tecnici SET orario_inizio = :start, orario_fine = :end WHERE id_intervento = :id"
        self.run(sql, **_session(int(key), start))

    def note(self, key: str, text: str) -> None:
        line = "CONCAT_WS(CHAR(10), NULLIF(informazioni_aggiuntive, ''), :text)"
        self.run(f"UPDATE in_interventi SET informazioni_aggiuntive = {line} WHERE id = :key", key=int(key), text=text)

    def start(self, key: str) -> None:
        self._status(key, "WIP")

    def finish(self, key: str) -> None:
        self._status(key, "OK")

    def _status(self, key: str, word: str) -> None:
        sql = "UPDATE in_interventi SET id_stato = (SELECT id FROM in_stati_intervento WHERE codice = :word) WHERE id = :key"
        self.run(sql, key=int(key), word=word)

    def rename_column(self) -> tuple[str, str]:
        self.run("ALTER TABLE in_interventi RENAME COLUMN id_stato TO idstatointervento")
        return "id_stato", "idstatointervento"

    def rename_written(self) -> tuple[str, str]:
        self.run("ALTER TABLE in_interventi RENAME COLUMN id_tipo TO id_tipo_intervento")
        return "id_tipo", "id_tipo_intervento"

    def purge(self, before: datetime) -> None:
        older = "SELECT id_intervento FROM in_interventi_tecnici WHERE orario_inizio < :before"
        self.run(f"DELETE FROM in_interventi WHERE id IN ({older})", before=before)

    def hide_view(self) -> None:
        self.run("RENAME TABLE in_interventi_tecnici TO in_interventi_tecnici_old")

    def show_view(self) -> None:
        self.run("RENAME TABLE in_interventi_tecnici_old TO in_interventi_tecnici")

    def lock(self, key: str) -> AbstractContextManager[None]:
        return self.held_open(
            "UPDATE in_interventi SET data_richiesta = data_richiesta + INTERVAL 1 SECOND WHERE id = :key", key=int(key)
        )

    def unmapped_status(self, key: str) -> str:
        self.run("INSERT IGNORE INTO in_stati_intervento (codice, is_bloccato) VALUES ('PREV', 0)")
        self._status(key, "PREV")
        return "PREV"

    def two_with_one_phone(self, phone: str) -> None:
        self.run_many(CUSTOMER, [{**_customer(number), "phone": phone} for number in (990, 991)])
        self.run_many(PLANT, [_plant(number, number) for number in (990, 991)])

    def read_only_url(self) -> str:
        return may_read(self.database, self.url)


def _id(number: int) -> int:
    return 10_000 + number


def _customer(number: int) -> dict[str, object]:
    return {"id": _id(number), "name": " ".join(name(number)), "phone": phone(number), "email": email(number)}


def _plant(number: int, customer: int) -> dict[str, object]:
    return {"id": _id(number), "customer": _id(customer), "plate": plate(number)}


def _job(one: Planned) -> dict[str, object]:
    deleted = one.start if one.trait == "deleted" or one.status == "cancelled" else None
    return {
        "id": _id(one.number),
        "code": f"INT-{_id(one.number):06}",
        "customer": _id(one.customer),
        "status": STORED[one.status],
        "start": one.start,
        "deleted": deleted,
    }


def _planned(one: Planned) -> dict[str, object]:
    odd = {"end": one.start.strftime("%Y-%m-00 %H:%M")} if one.trait == "unreadable" else {}  # a day that MariaDB lets pass
    return _session(_id(one.number), one.start) | odd


def _session(key: int, start: datetime) -> dict[str, object]:
    return {"id": key, "start": start, "end": start + timedelta(hours=2)}
