"""Confluent framing and schema registry for the stack tests, by fastavro and urllib alone."""

import decimal
import io
import json
import struct
import time
import urllib.error
import urllib.request
from pathlib import Path

import fastavro

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def plain(name="transaction"):
    return json.loads((SCHEMAS / f"{name}.avsc").read_text())


def without_logical_types(schema):
    """Times as numbers: what is compared are milliseconds, not fastavro's idea of a date."""
    if isinstance(schema, dict):
        if schema.get("logicalType", "").startswith("timestamp"):
            return {"type": "long"}
        return {key: without_logical_types(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [without_logical_types(value) for value in schema]
    return schema


def evolved():
    """A producer's next version: new fields, another order, microseconds, decimals, an amount that
    may be null."""
    schema = plain()
    fields = {field["name"]: field for field in schema["fields"]}
    fields["event_time"]["type"] = {"type": "long", "logicalType": "timestamp-micros"}
    money = {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 4}
    fields["amount"]["type"] = ["null", money]
    fields["merchant_id"]["type"] = ["string", "null"]
    del fields["ip_address"]
    extra = [
        {"name": "loyalty", "type": {"type": "map", "values": {"type": "array", "items": "long"}}},
        {"name": "note", "type": ["null", "string"], "default": None},
    ]
    schema["fields"] = [extra[0], *reversed(fields.values()), extra[1]]
    return schema


def needy():
    """A producer that leaves out what is needed."""
    schema = plain()
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "amount"]
    return schema


VARIANTS = {"plain": plain, "evolved": evolved, "needy": needy}


def as_variant(payment, variant):
    """A payment as the dict that the variant's schema takes."""
    if variant != "evolved":
        return payment
    return {
        **payment,
        "event_time": payment["event_time"] * 1_000,
        "amount": decimal.Decimal(repr(payment["amount"])),
        "loyalty": {"points": [payment["event_time"], -1], "none": []},
        "note": "new",
    }


class Registry:
    """A registry by its address, or a fixed table `{id: schema}`."""

    def __init__(self, address):
        self.address = address
        self.known = {}

    def register(self, subject, schema):
        body = json.dumps({"schema": json.dumps(schema)}).encode()
        for attempt in range(5):
            try:
                return self.ask(f"subjects/{subject}/versions", body)["id"]
            except urllib.error.HTTPError as error:
                # Two that register the same schema at the same moment are an internal error to it.
                if error.code not in (409, 500) or attempt == 4:
                    raise
                time.sleep(0.2 * (attempt + 1))

    def schema(self, identity):
        if identity not in self.known:
            found = json.loads(self.ask(f"schemas/ids/{identity}")["schema"])
            self.known[identity] = fastavro.parse_schema(without_logical_types(found))
        return self.known[identity]

    def ask(self, path, body=None):
        request = urllib.request.Request(f"{self.address}/{path}", data=body)
        request.add_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def decode(self, value):
        """The datum of a record, which must end where the record ends."""
        magic, identity = struct.unpack(">bI", value[:5])
        assert magic == 0, value[:5]
        datum = io.BytesIO(value[5:])
        decoded = fastavro.schemaless_reader(datum, self.schema(identity), None)
        assert not datum.read(), "bytes are left behind the datum"
        return decoded


class Encoder:
    """Datums behind the header of a schema's id."""

    def __init__(self, identity, schema):
        self.header = struct.pack(">bI", 0, identity)
        schema = json.loads(json.dumps(schema))
        for field in schema["fields"]:
            if field["name"] in ("event_time", "labeled_at"):
                field["type"] = "long"
        self.schema = fastavro.parse_schema(schema)

    def __call__(self, datum):
        out = io.BytesIO()
        out.write(self.header)
        fastavro.schemaless_writer(out, self.schema, datum)
        return out.getvalue()
