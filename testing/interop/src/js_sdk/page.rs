//! One page in a browser context of its own, so that it shares nothing with other pages.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{JsSdkError, devtools::DevTools};

/// An open page, which closes when this value is dropped.
#[derive(Debug)]
pub(super) struct Page {
    browser: Arc<DevTools>,
    context: String,
    session: String,
}

impl Page {
    /// Opens one, and waits until its script has run.
    pub(super) fn open(browser: &Arc<DevTools>, url: &str) -> Result<Self, JsSdkError> {
        let text = |answer: Value, name: &str| {
            let found = answer[name].as_str().map(str::to_owned);
            found.ok_or_else(|| JsSdkError::Unexpected {
                order: name.to_owned(),
                said: answer.to_string(),
            })
        };
        let made = browser.ask(None, "Target.createBrowserContext", &json!({}))?;
        let context = text(made, "browserContextId")?;
        // With them a page is told all addresses of the machine, as one with a real microphone is.
        let permissions = json!({
            "browserContextId": context,
            "permissions": ["audioCapture", "videoCapture"],
        });
        browser.ask(None, "Browser.grantPermissions", &permissions)?;
        let target = json!({"url": "about:blank", "browserContextId": context});
        let target = text(
            browser.ask(None, "Target.createTarget", &target)?,
            "targetId",
        )?;
        let attach = json!({"targetId": target, "flatten": true});
        let attached = browser.ask(None, "Target.attachToTarget", &attach)?;
        let page = Self {
            browser: Arc::clone(browser),
            session: text(attached, "sessionId")?,
            context,
        };
        // An answer comes when the empty page is no more: what it is told would be lost with it.
        browser.ask(Some(&page.session), "Page.navigate", &json!({"url": url}))?;
        page.wait_until_ready()?;
        Ok(page)
    }

    /// Has the page do something with one object as parameters; gives what comes of it.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        order: &str,
        parameters: &Value,
    ) -> Result<T, JsSdkError> {
        let value = self.run(order, parameters)?;
        serde_json::from_value(value).map_err(|error| JsSdkError::Unexpected {
            order: order.to_owned(),
            said: error.to_string(),
        })
    }

    /// Has the page do something of which nothing comes.
    pub(super) fn tell(&self, order: &str, parameters: &Value) -> Result<(), JsSdkError> {
        self.run(order, parameters).map(|_| ())
    }

    fn run(&self, order: &str, parameters: &Value) -> Result<Value, JsSdkError> {
        match self.evaluate(&format!("orders.{order}({parameters})"))? {
            Ok(value) => Ok(value),
            Err(said) => Err(JsSdkError::Failed {
                order: order.to_owned(),
                said,
                log: match self.evaluate("orders.log()") {
                    Ok(Ok(Value::String(lines))) => lines,
                    _ => String::new(),
                },
            }),
        }
    }

    /// The script is a module, which runs after the page is there.
    fn wait_until_ready(&self) -> Result<(), JsSdkError> {
        let look = "new Promise((resolve, reject) => {
            const giveUpAt = performance.now() + 60000;
            const look = () => {
                if (globalThis.orders) resolve(true);
                else if (performance.now() > giveUpAt) reject(new Error(document.documentElement.outerHTML));
                else setTimeout(look, 10);
            };
            look();
        })";
        self.evaluate(look)?.map_err(|said| JsSdkError::Failed {
            order: "opening the page".to_owned(),
            said,
            log: String::new(),
        })?;
        Ok(())
    }

    /// The value of an expression or, inside, the exception it threw.
    fn evaluate(&self, expression: &str) -> Result<Result<Value, String>, JsSdkError> {
        let parameters = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
        });
        let mut answer = self
            .browser
            .ask(Some(&self.session), "Runtime.evaluate", &parameters)?;
        let exception = &answer["exceptionDetails"];
        if exception.is_null() {
            return Ok(Ok(answer["result"]["value"].take()));
        }
        let said = exception["exception"]["description"].as_str();
        Ok(Err(
            said.map_or_else(|| exception.to_string(), str::to_owned)
        ))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // A browser that is gone has no pages.
        let context = json!({"browserContextId": self.context});
        let _ = self
            .browser
            .ask(None, "Target.disposeBrowserContext", &context);
    }
}
