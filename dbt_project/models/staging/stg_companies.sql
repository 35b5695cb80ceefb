select
    id as company_id,
    name as company_name,
    lower(domain) as domain,
    industry,
    updated_at
from {{ ref('raw_companies') }}
