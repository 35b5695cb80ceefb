select customer_id
from {{ ref('customers') }}
where marketing_opt_in and email is not null
