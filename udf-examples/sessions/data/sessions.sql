-- Sessions of flights per origin, with a pause of an hour between them. Run from this directory:
--   duckdb < sessions.sql
COPY (
    WITH flights AS (
        SELECT origin, date::TIMESTAMP AS departure, delay
        FROM read_json('../../flights/data/flights-200k.ndjson.gz',
                       columns = {date: 'VARCHAR', delay: 'INTEGER', origin: 'VARCHAR'})
    ),
    starts AS (
        SELECT *, coalesce(departure - lag(departure) OVER (PARTITION BY origin ORDER BY departure) >= INTERVAL 60 MINUTE, true) AS first
        FROM flights
    ),
    numbered AS (
        SELECT *, sum(first::INTEGER) OVER (PARTITION BY origin ORDER BY departure, first DESC ROWS UNBOUNDED PRECEDING) AS session
        FROM starts
    )
    SELECT origin,
           strftime(min(departure), '%Y-%m-%dT%H:%M:%SZ') AS first,
           strftime(max(departure), '%Y-%m-%dT%H:%M:%SZ') AS last,
           count(*) AS flights,
           sum(delay) AS delay_sum
    FROM numbered
    GROUP BY origin, session
    ORDER BY origin, first
) TO 'flights_sessions.csv.gz' (HEADER, COMPRESSION gzip);
