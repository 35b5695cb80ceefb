-- What the application's own migrations would make. revetl adds crm.customers_cohorts beside it.
CREATE SCHEMA crm;
CREATE TABLE crm.customers (
    customer_id bigint PRIMARY KEY,
    email text UNIQUE,
    first_name text,
    lifetime_value numeric(12, 2),
    is_subscriber boolean NOT NULL DEFAULT false,
    note text -- the application's own: revetl never touches it
);
