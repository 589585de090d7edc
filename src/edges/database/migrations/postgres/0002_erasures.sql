-- When what was known of the customer was erased; it may have been filled anew since.
alter table customer_state add column erased_at timestamptz;
