with orders as (
    select
        customer_id,
        count(*) as order_count,
        max(ordered_at) as last_order_at
    from {{ ref('stg_orders') }}
    group by customer_id
),

favourites as (
    select
        customer_id,
        category,
        row_number() over (
            partition by customer_id
            order by count(*) desc, max(ordered_at) desc, category
        ) as place
    from {{ ref('stg_orders') }}
    group by customer_id, category
)

select
    orders.customer_id,
    orders.order_count,
    {{ utc_date('orders.last_order_at') }} as last_order_on,
    favourites.category as favourite_category,
    orders.last_order_at as updated_at
from orders
inner join favourites on orders.customer_id = favourites.customer_id and favourites.place = 1
