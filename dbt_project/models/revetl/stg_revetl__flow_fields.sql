select
    fields.seq,
    fields.run_id,
    fields.field,
    fields.value,
    fields.is_hidden
from {{ source('revetl', 'flow_fields') }} as fields
