-- A stream over each table that the models are made of, and one table for the keys that are still to be synced.
create stream if not exists raw_customers_stream on table raw_customers;
create stream if not exists raw_orders_stream on table raw_orders;
create table if not exists changed_customers (customer_id number, noted_at timestamp_ltz);
