"""Writes the Parquet files beside it, as other engines write them.

    pip install pyarrow==26.0.1 duckdb==2.0.1 && python make.py
"""

import datetime
import decimal
import pathlib

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
ROWS = 10


def row(i):
    missing = i % 4 == 3
    return {
        "id": i,
        "day": datetime.date(2001, 2, 26) + datetime.timedelta(days=i),
        "at": datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=i, microseconds=i),
        "price": None if missing else decimal.Decimal(12345678901234567 * i).scaleb(-2),
        "name": f"größe {i % 3}",
        "tags": None if missing else [f"t{j}" for j in range(i % 3)],
        "address": None if missing else {"street": f"street {i}", "zip": None if i % 2 else str(i)},
        "stops": [{"day": datetime.date(1969, 12, 31), "cost": decimal.Decimal("-0.05")}] * (i % 2),
    }


SCHEMA = pa.schema(
    [
        pa.field("id", pa.int32(), nullable=False),
        ("day", pa.date32()),
        ("at", pa.timestamp("ns", tz="UTC")),
        ("price", pa.decimal128(20, 2)),
        ("name", pa.dictionary(pa.int32(), pa.string())),
        ("tags", pa.list_(pa.string())),
        ("address", pa.struct([("street", pa.string()), ("zip", pa.string())])),
        ("stops", pa.list_(pa.struct([("day", pa.date32()), ("cost", pa.decimal128(6, 2))]))),
    ]
)

table = pa.Table.from_pylist([row(i) for i in range(ROWS)], schema=SCHEMA)
# Several row groups, and a column that no schema names.
pq.write_table(table.append_column("more", pa.array(range(ROWS))), HERE / "pyarrow.parquet", row_group_size=3)
con = duckdb.connect()
con.register("made", table)
con.execute(f"COPY (SELECT * FROM made ORDER BY id) TO '{HERE / 'duckdb.parquet'}' (FORMAT parquet, COMPRESSION zstd)")
