select customer_id
from {{ ref('customers') }}
where email like '%@{{ var("own_domain") }}'
