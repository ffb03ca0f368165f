//! The whole house: gateway, simulator, ledger, over HTTP.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod add_user;
mod api_quota;
mod callbacks;
mod command_line;
mod conservation;
mod content;
mod crash;
mod dead_letters;
mod digest;
mod escalation;
mod flow;
mod front;
mod front_clients;
mod group_chats;
mod hooks;
mod idempotency;
mod input;
mod keys;
mod kit;
mod mail;
mod messages;
mod operator;
mod own_channel;
mod quiet_hours;
mod quota;
mod recall;
mod routes;
mod security;
mod starting;
mod templates;
mod trouble;
mod webhooks;
