-- Records of the topics of this name that were there before this one and whose customers are kept: a
-- demo's topic is a new one at every start, and its offsets begin at 0.
alter table streams add column past_records bigint not null default 0;
