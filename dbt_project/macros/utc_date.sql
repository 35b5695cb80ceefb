{# The day of a moment, by UTC, in each warehouse's own words. #}
{% macro utc_date(moment) %}{{ return(adapter.dispatch('utc_date', 'shop')(moment)) }}{% endmacro %}

{% macro default__utc_date(moment) %}cast({{ moment }} at time zone 'UTC' as date){% endmacro %}

{% macro snowflake__utc_date(moment) %}cast(convert_timezone('UTC', {{ moment }}) as date){% endmacro %}
