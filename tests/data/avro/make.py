"""Writes the Avro files beside it, as another engine writes them.

    pip install fastavro==1.13.1 cramjam backports.zstd && python make.py
"""

import datetime
import decimal
import pathlib

import fastavro

HERE = pathlib.Path(__file__).parent
ROWS = 10


def row(i):
    missing = i % 4 == 3
    return {
        "id": i,
        "day": datetime.date(2001, 2, 26) + datetime.timedelta(days=i),
        "at": datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=i, microseconds=i),
        "price": None if missing else decimal.Decimal(12345678901234567 * i).scaleb(-2),
        "more": {"k": i},
        "name": f"größe {i % 3}",
        "tags": None if missing else [f"t{j}" for j in range(i % 3)],
        "address": None if missing else {"street": f"street {i}", "zip": None if i % 2 else str(i)},
        "stops": [{"day": datetime.date(1969, 12, 31), "cost": decimal.Decimal("-0.05")}] * (i % 2),
        "color": ["RED", "BLUE"][i % 2],
        "other": {"street": f"other {i}", "zip": None},
    }


def decimals(precision):
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": 2}


DAY = {"type": "int", "logicalType": "date"}
ADDRESS = {
    "type": "record",
    "name": "Address",
    "fields": [{"name": "street", "type": "string"}, {"name": "zip", "type": ["null", "string"]}],
}
STOP = {"type": "record", "name": "Stop", "fields": [{"name": "day", "type": DAY}, {"name": "cost", "type": decimals(6)}]}
SCHEMA = {
    "type": "record",
    "name": "Row",
    "namespace": "org.example",
    "fields": [
        {"name": "id", "type": "int"},
        {"name": "day", "type": DAY},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "price", "type": ["null", decimals(20)]},
        # Columns that no schema names stand between the others.
        {"name": "more", "type": {"type": "map", "values": "int"}},
        {"name": "name", "type": "string"},
        {"name": "tags", "type": [{"type": "array", "items": "string"}, "null"]},
        {"name": "address", "type": ["null", ADDRESS]},
        {"name": "stops", "type": {"type": "array", "items": STOP}},
        {"name": "color", "type": {"type": "enum", "name": "Color", "symbols": ["RED", "BLUE"]}},
        # A type that is only defined in another column.
        {"name": "other", "type": "Address"},
    ],
}

for codec in ["null", "deflate", "snappy", "zstandard"]:
    with open(HERE / f"{codec}.avro", "wb") as out:
        # Several blocks.
        fastavro.writer(out, SCHEMA, (row(i) for i in range(ROWS)), codec=codec, sync_interval=150)
