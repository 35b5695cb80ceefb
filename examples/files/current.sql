-- The customers as the files together say: the newest row of each key, those who left taken away. For DuckDB.
-- File names end in sequence numbers that only grow; taken in their order, files replay to the desired state.
with numbered as (
    select *, regexp_extract(filename, '-(\d{12})-\d{12}\.parquet$', 1)::bigint as first_seq
    from read_parquet('exports/lake/*/*.parquet', filename = true, union_by_name = true)
    where _op = 'upsert' or _op like 'leave:%'
)
select customer_id, band, lifetime_value
from numbered
qualify row_number() over (partition by _key order by first_seq desc) = 1 and _op = 'upsert'
order by customer_id
