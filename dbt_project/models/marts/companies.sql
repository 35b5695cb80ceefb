with people as (
    select
        company_id,
        count(*) as customer_count,
        sum(lifetime_value)::decimal(14, 2) as company_value,
        max(updated_at) as changed_at
    from {{ ref('customers') }}
    where company_id is not null
    group by company_id
)

select
    companies.company_id,
    companies.domain,
    companies.company_name,
    companies.industry,
    coalesce(people.customer_count, 0) as customer_count,
    coalesce(people.company_value, 0)::decimal(14, 2) as company_value,
    greatest(companies.updated_at, coalesce(people.changed_at, companies.updated_at)) as updated_at
from {{ ref('stg_companies') }} as companies
left join people on companies.company_id = people.company_id
