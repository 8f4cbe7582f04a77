//! `listen`.

use securecall_matrix::Account;

use crate::calling::{self, Goal, Plan};
use crate::cli::{Answer, ListenOptions, Ring};
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitCode;
use crate::runtime::runtime;

pub(super) fn run(mut context: Context, options: &ListenOptions) -> Result<ExitCode, Failure> {
    let media = context.settings.media(&options.media);
    let answer = context.settings.answer(options.answer);
    context.output = calling::check_streams(context.output, &media)?;
    let mut profile = context.open_profile()?;
    profile.account()?;
    let _lock = context.lock_session(&mut profile, "listen")?;
    let ring = context.settings.ring();
    if ring == Ring::Nobody {
        context.output.note("warning: nobody rings and nobody is answered (ring = \"nobody\"): `securecall config set ring contacts`");
    }
    if answer == Answer::Auto && ring != Ring::Nobody {
        context.output.note("warning: everybody who calls is answered at once and hears your microphone (--answer auto)");
    }
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let account = Account::restore(&profile.account_store()).await?;
        let plan = Plan {
            goal: Goal::Listen { once: options.once },
            answer,
            muted: false,
            media,
            asked: options.media.require,
        };
        calling::run(context, profile, account, plan).await
    });
    runtime.shutdown_background();
    result
}
