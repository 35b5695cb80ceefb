-- Whoever pays for a subscription is not at risk, however long ago the last order was.
select engagement.customer_id
from {{ ref('customer_engagement') }} as engagement
inner join {{ ref('customers') }} as customers on engagement.customer_id = customers.customer_id
where
    not customers.is_subscriber
    and engagement.last_order_on
    < cast('{{ var("as_of") }}' as date) - {{ var('churn_after_days') }}
