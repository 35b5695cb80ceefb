-- Whoever writes a customer, an order or a subscription says whose data changed: the key, nothing else.
-- Notifications go out when the transaction commits, equal ones of a transaction once.
create or replace function tell_customer() returns trigger language plpgsql as $$
begin
    if tg_op <> 'INSERT' then perform pg_notify('customer_changed', (to_jsonb(old) ->> tg_argv[0])); end if;
    if tg_op <> 'DELETE' then perform pg_notify('customer_changed', (to_jsonb(new) ->> tg_argv[0])); end if;
    return null;
end
$$;

create or replace trigger customers_tell after insert or update or delete on raw_customers
    for each row execute function tell_customer('id');
create or replace trigger orders_tell after insert or update or delete on raw_orders
    for each row execute function tell_customer('customer_id');
create or replace trigger subscriptions_tell after insert or update or delete on raw_subscriptions
    for each row execute function tell_customer('customer_id');
