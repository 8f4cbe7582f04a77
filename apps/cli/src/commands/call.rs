//! `call WHO`.

use securecall_matrix::Account;
use securecall_profile::who;

use crate::calling::{self, Goal, Plan};
use crate::cli::{Answer, CallOptions};
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitCode;
use crate::runtime::runtime;

pub(super) fn run(mut context: Context, options: &CallOptions) -> Result<ExitCode, Failure> {
    let media = context.settings.media(&options.media);
    context.output = calling::check_streams(context.output, &media)?;
    let mut profile = context.open_profile()?;
    profile.identity()?;
    // Whom to call is settled before the account is taken for this run alone, and before anything
    // is asked of the network.
    let person = who::resolve(
        &options.who,
        &profile.content().contacts,
        &context.settings.domain(),
    )?;
    calling::callee(&person, &media, &calling::known(profile.content()))?;
    profile.account()?;
    let _lock = context.lock_session(&mut profile, "call")?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let account = Account::restore(&profile.account_store()).await?;
        let plan = Plan {
            goal: Goal::Call(person),
            answer: Answer::Ask,
            media,
        };
        calling::run(context, profile, account, plan).await
    });
    // Not waited for: the look-up of a name, or a picture that is being read, cannot be called off
    // and would hold up the end.
    runtime.shutdown_background();
    result
}
