-- One row an order: what is left of it after refunds, and when it last changed.
with refunds as (
    select
        order_id,
        sum(amount) as refunded,
        max(refunded_at) as last_refund_at
    from {{ ref('stg_refunds') }}
    group by order_id
)

select
    orders.order_id,
    orders.customer_id,
    orders.category,
    orders.ordered_at,
    orders.amount - coalesce(refunds.refunded, 0) as net_amount,
    greatest(orders.ordered_at, coalesce(refunds.last_refund_at, orders.ordered_at)) as changed_at
from {{ ref('stg_orders') }} as orders
left join refunds on orders.order_id = refunds.order_id
