select
    id as refund_id,
    order_id,
    amount,
    refunded_at
from {{ ref('raw_refunds') }}
