select
    id as customer_id,
    nullif(lower(trim(email)), '') as email,
    given_name as first_name,
    family_name as last_name,
    nullif(trim(phone), '') as phone,
    company_id,
    marketing_opt_in,
    created_at,
    updated_at
from {{ ref('raw_customers') }}
