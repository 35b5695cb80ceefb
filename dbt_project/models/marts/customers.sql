with purchases as (
    select
        customer_id,
        sum(net_amount) as lifetime_value,
        min(ordered_at) as first_order_at,
        max(changed_at) as changed_at
    from {{ ref('int_orders_net') }}
    group by customer_id
),

subscriptions as (
    select
        customer_id,
        max(case when ended_at is null then 1 else 0 end) = 1 as is_subscriber,
        max(greatest(started_at, coalesce(ended_at, started_at))) as changed_at
    from {{ ref('stg_subscriptions') }}
    group by customer_id
)

select
    customers.customer_id,
    customers.email,
    customers.first_name,
    customers.last_name,
    customers.phone,
    customers.company_id,
    case
        when coalesce(purchases.lifetime_value, 0) <= 0 then 'none'
        when purchases.lifetime_value < 100 then 'low'
        when purchases.lifetime_value < {{ var('high_value_from') }} then 'mid'
        else 'high'
    end as lifetime_value_band,
    coalesce(purchases.lifetime_value, 0)::decimal(12, 2) as lifetime_value,
    purchases.first_order_at,
    coalesce(subscriptions.is_subscriber, false) as is_subscriber,
    customers.marketing_opt_in,
    greatest(
        customers.updated_at,
        coalesce(purchases.changed_at, customers.updated_at),
        coalesce(subscriptions.changed_at, customers.updated_at)
    ) as updated_at
from {{ ref('stg_customers') }} as customers
left join purchases on customers.customer_id = purchases.customer_id
left join subscriptions on customers.customer_id = subscriptions.customer_id
