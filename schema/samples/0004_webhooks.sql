insert into webhooks (owner, url, secret, sessions, events)
values ('ann', 'https://example.org', 'whsec_AAAA', 'lesson*', '{chat.message}');
insert into webhook_deliveries (webhook_id, event_id, event_type, session, payload)
select id, gen_random_uuid(), 'chat.message', 'lesson', '{}' from webhooks;
