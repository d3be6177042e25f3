//! Every promise of the trait `Store`, as a test that any engine can be put through.

pub(crate) mod sample;

pub(crate) mod clients;
pub(crate) mod codes;
pub(crate) mod consents;
pub(crate) mod device_authorizations;
pub(crate) mod identities;
pub(crate) mod jtis;
pub(crate) mod keys;
pub(crate) mod logout_notices;
pub(crate) mod pushed_requests;
pub(crate) mod registrations;
pub(crate) mod revocations;
pub(crate) mod roles;
pub(crate) mod sessions;
pub(crate) mod statuses;
pub(crate) mod streams;
pub(crate) mod sweeping;
pub(crate) mod tickets;
pub(crate) mod users;
pub(crate) mod whole;

use std::sync::Arc;

use gatepass_issuer::store::Store;

/// What the tests need of an engine.
pub(crate) trait Engine {
    /// One with an empty store.
    async fn start() -> Self;
    /// Its store.
    fn store(&self) -> Arc<dyn Store>;
    /// The same store after the server was stopped and started again.
    async fn restart(&mut self);
}

/// Makes a test of every promise for an [`Engine`], given by its full path.
macro_rules! every_promise_holds_for {
    ($engine:ty) => {
        $crate::suite::every_promise_holds_for! { $engine:
            users {
                a_user_is_found_by_id_and_by_name_however_it_is_written
                a_folded_name_is_taken_once
                users_come_in_pages_in_the_order_of_their_ids
                a_change_keeps_what_it_does_not_name
                a_change_ends_live_sessions_and_logs_in_one_step
                a_change_of_nobody_changes_nothing
                a_password_is_upgraded_unless_it_was_changed_meanwhile
                a_sample_of_passwords_is_of_different_users
            }
            clients {
                a_client_is_found_as_it_was_registered
                a_client_keeps_its_credential
                a_client_id_is_taken_once
                clients_come_in_pages_in_the_order_of_their_ids
                a_client_is_replaced_and_logged_in_one_step
                whoever_asks_after_a_change_sees_it_whoever_asks_meanwhile
            }
            roles {
                roles_are_listed_by_name_in_their_last_state
                a_changed_role_revokes_each_holder
                a_removed_role_leaves_every_user_and_revokes_each_holder
                removing_no_role_changes_nothing
            }
            sessions {
                a_session_comes_back_as_it_was_started
                nobody_and_the_disabled_start_no_session
                a_rotation_moves_the_row_on_and_nothing_else
                tabs_that_ask_for_different_audiences_race_for_one_successor
                a_rotation_is_a_compare_and_swap_under_a_race
                a_replay_revokes_and_logs_in_one_step
                replays_at_once_revoke_and_log_once
                a_refusal_changes_nothing
                a_rotation_gives_the_user_as_they_are_now
                whatever_is_presented_the_row_follows_the_rule
                a_session_is_revoked_once
                live_sessions_are_listed_oldest_first_and_not_endlessly
                what_arose_from_a_login_is_listed_newest_first_expired_or_not
                sessions_end_by_user_client_or_all_in_one_step
            }
            codes {
                a_code_gives_its_session_once
                a_code_is_given_once_under_a_race
                a_refused_code_is_used_up
                codes_are_forgotten_when_their_time_has_come
                a_login_ends_with_what_hangs_on_it
                a_new_login_takes_over_from_the_last
            }
            consents {
                consents_are_joined_and_listed
                a_withdrawn_consent_ends_the_clients_sessions_in_one_step
                what_was_allowed_and_not_fetched_goes_with_the_consent
            }
            sweeping {
                what_ended_is_forgotten_and_nothing_else
                what_expired_is_kept_for_whoever_is_told_when_its_login_ends
                of_many_that_expired_in_one_login_the_newest_are_kept
                no_more_is_forgotten_at_once_than_was_asked
                what_ended_is_found_wherever_it_stands_in_a_long_table
            }
            revocations {
                places_count_from_one_without_a_gap_under_a_race
                places_in_the_log_are_never_used_twice
                the_log_is_read_from_any_place_in_pages
                an_entry_comes_back_as_it_was_made
                a_users_entry_comes_with_one_for_each_other_name
                entries_are_forgotten_when_their_time_has_come
            }
            tickets {
                a_ticket_is_consumed_once_under_a_race
                a_ticket_stays_consumed_until_it_is_forgotten
            }
            pushed_requests {
                a_pushed_request_is_found_until_it_is_consumed
                a_pushed_request_is_consumed_once_under_a_race
                pushed_requests_are_forgotten_when_their_time_has_come
            }
            device_authorizations {
                a_device_is_found_by_either_code_and_answered_once
                a_device_code_gives_its_session_once_under_a_race
                devices_are_forgotten_when_their_time_has_come
            }
            registrations {
                an_initial_access_token_is_used_as_often_as_it_may_be
                a_registration_is_rotated_by_compare_and_swap_and_removed_with_all_of_its_client
            }
            identities {
                a_verified_address_is_one_users
                an_identity_is_one_users_and_a_user_has_one_at_a_provider
                a_user_comes_with_their_identity_or_not_at_all
                with_a_link_end_the_sessions_that_began_with_it
            }
            jtis {
                a_signed_text_counts_once_under_a_race
                a_signed_text_is_remembered_until_its_time_has_come
            }
            logout_notices {
                whatever_ends_a_session_keeps_a_notice_for_who_wants_to_know
                a_session_that_expired_is_told_of_once_when_its_login_ends
                notices_wait_go_and_leave_room_for_others
            }
            statuses {
                places_in_status_lists_are_kept_until_their_time_has_come
            }
            streams {
                a_client_has_one_stream_which_only_moves_on
            }
            keys {
                keys_come_back_as_they_were_saved
                keys_change_retire_and_log_in_one_step
                retired_keys_are_those_that_were_put_last
                everything_sealed_is_sealed_anew_or_nothing
            }
            whole {
                a_failing_operation_does_not_spoil_its_neighbours
                what_was_answered_is_there_after_a_restart
            }
        }
    };
    ($engine:ty: $($group:ident { $($promise:ident)* })*) => {
        $(mod $group {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                $crate::suite::$group::$promise::<$engine>().await;
            })*
        })*
    };
}
pub(crate) use every_promise_holds_for;
