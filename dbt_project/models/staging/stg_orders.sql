select
    id as order_id,
    customer_id,
    category,
    amount,
    ordered_at
from {{ ref('raw_orders') }}
