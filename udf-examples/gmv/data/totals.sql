-- The right answer for the first 200,000 events of dataset `orders` in 4 partitions: the total of each
-- category at the end of each second in which one of its orders was placed or cancelled.
--
-- `orders.csv` has the columns `kind, category, amount, created`; `created` is RFC 3339 text.
--
--   duckdb -csv < totals.sql | gzip -9n > totals.csv.gz

WITH orders AS (
    SELECT category,
           date_trunc('second', CAST(created AS TIMESTAMP)) + INTERVAL 1 SECOND AS until,
           CAST(kind = 'placed' AS BIGINT) AS orders,
           CAST(kind = 'cancelled' AS BIGINT) AS cancelled,
           CASE kind WHEN 'placed' THEN amount WHEN 'cancelled' THEN -amount END AS amount
    FROM read_csv('orders.csv', types = {'created': 'VARCHAR', 'amount': 'BIGINT'})
    WHERE kind <> 'paid'
), seconds AS (
    SELECT category, until, sum(orders) AS orders, sum(cancelled) AS cancelled, sum(amount) AS amount
    FROM orders GROUP BY category, until
)
SELECT strftime(until - INTERVAL 1 SECOND + INTERVAL 8 HOUR, '%Y-%m-%d') AS day,
       category,
       strftime(until, '%Y-%m-%dT%H:%M:%SZ') AS "at",
       CAST(sum(orders) OVER running AS BIGINT) AS orders,
       CAST(sum(cancelled) OVER running AS BIGINT) AS cancelled,
       CAST(sum(amount) OVER running AS BIGINT) AS amount
FROM seconds
WINDOW running AS (PARTITION BY strftime(until - INTERVAL 1 SECOND + INTERVAL 8 HOUR, '%Y-%m-%d'), category ORDER BY until)
ORDER BY category, until;
