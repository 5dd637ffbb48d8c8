//! What every [`OnlineStore`] must do, as tests: a backend exists when they pass on it.
//!
//! A backend's test is one line: `suite::run_all(&|| Arc::new(MemoryStore::new()))`.
//!
//! Each function takes a maker of empty stores and panics, as tests do, where a promise is broken. They may be called
//! one by one, so that a backend's test names say which promise it was. Durability is not among them: each
//! backend loses power in its own way and shows that in its own tests.

mod increasing;
mod keys;
mod publishing;
mod pushing;
mod reading;
pub mod sample;
mod together;
mod windows;

use std::sync::Arc;

pub use increasing::{
    nothing_added_is_a_new_number_for_the_same_rows, what_a_publication_has_is_not_taken_from_pushes_too,
    what_is_added_becomes_visible_at_once_with_what_was_there, what_is_added_to_rows_that_were_replaced_is_refused,
};
pub use keys::{
    integer_widths_are_unified, keys_that_do_not_fit_are_refused, no_two_keys_are_confused, null_keys_find_nothing,
};
pub use publishing::{
    an_abandoned_publication_leaves_nothing, batches_that_do_not_fit_are_refused, content_depends_on_no_order,
    dropped_views_are_gone_but_their_numbers_are_not, layouts_that_cannot_be_stored_are_refused,
    of_one_key_the_newest_row_stays, publications_count_up_and_replace_whole, rows_in_order_are_published_like_any,
    the_last_of_two_publications_stays,
};
pub use pushing::{
    a_publication_keeps_what_was_pushed_since_it_began, a_push_is_whole_or_not_at_all,
    journals_keep_their_entries_until_they_are_trimmed, pushed_rows_win_by_their_stamp_in_any_order,
};
pub use reading::{
    any_columns_are_read_in_any_order, every_type_comes_back_to_the_bit, several_views_are_one_read,
    unknown_columns_are_refused_with_a_suggestion, what_was_never_published_says_so,
};
pub use together::{readers_see_whole_generations, readers_see_whole_pushes};
pub use windows::windows_hold_what_was_published_and_pushed;

use crate::OnlineStore;

/// Makes an empty store.
pub type Make<'a> = &'a (dyn Fn() -> Arc<dyn OnlineStore> + Sync);

/// All of it.
pub fn run_all(make: Make<'_>) {
    what_was_never_published_says_so(make);
    every_type_comes_back_to_the_bit(make);
    any_columns_are_read_in_any_order(make);
    several_views_are_one_read(make);
    unknown_columns_are_refused_with_a_suggestion(make);
    integer_widths_are_unified(make);
    null_keys_find_nothing(make);
    no_two_keys_are_confused(make);
    keys_that_do_not_fit_are_refused(make);
    publications_count_up_and_replace_whole(make);
    the_last_of_two_publications_stays(make);
    an_abandoned_publication_leaves_nothing(make);
    rows_in_order_are_published_like_any(make);
    of_one_key_the_newest_row_stays(make);
    content_depends_on_no_order(make);
    dropped_views_are_gone_but_their_numbers_are_not(make);
    batches_that_do_not_fit_are_refused(make);
    layouts_that_cannot_be_stored_are_refused(make);
    pushed_rows_win_by_their_stamp_in_any_order(make);
    a_publication_keeps_what_was_pushed_since_it_began(make);
    a_push_is_whole_or_not_at_all(make);
    journals_keep_their_entries_until_they_are_trimmed(make);
    what_is_added_becomes_visible_at_once_with_what_was_there(make);
    nothing_added_is_a_new_number_for_the_same_rows(make);
    what_is_added_to_rows_that_were_replaced_is_refused(make);
    what_a_publication_has_is_not_taken_from_pushes_too(make);
    windows_hold_what_was_published_and_pushed(make);
    readers_see_whole_generations(make);
    readers_see_whole_pushes(make);
}

/// Fails unless the error has this code and its text holds all these words.
pub(crate) fn refused<T: std::fmt::Debug>(result: asof_model::Result<T>, code: &str, words: &[&str]) {
    let error = result.expect_err("it should have been refused");
    assert_eq!(error.code(), code, "{error}");
    let text = error.to_string();
    words.iter().for_each(|word| assert!(text.contains(word), "`{word}` is not in: {text}"));
}
