select
    id as subscription_id,
    customer_id,
    plan,
    started_at,
    ended_at
from {{ ref('raw_subscriptions') }}
