//! What a client says of the brokers, for whoever has to say why there are none.

use crate::publish::{
    classify::Code,
    trouble::{Trouble, Worth},
};
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{DeliveryResult, ProducerContext},
};
use std::sync::{Arc, Mutex, PoisonError};

/// What a client says while it looks for brokers.
#[derive(Clone, Default)]
pub(super) struct Ear(Arc<Mutex<Heard>>);

#[derive(Clone, Default)]
pub(super) struct Heard {
    pub(super) trouble: Option<Trouble>,
    pub(super) all_down: bool,
}

impl Heard {
    /// All were tried, and it is clear what is wrong with one of them.
    pub(super) fn is_final(&self) -> bool {
        let clear = |trouble: &Trouble| trouble.worth == Worth::Clear;
        self.all_down && self.trouble.as_ref().is_some_and(clear)
    }
}

impl Ear {
    pub(super) fn heard(&self) -> Heard {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn hear(&self, trouble: Trouble) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let best = heard.trouble.as_ref().map(|before| before.worth);
        if best.is_none_or(|best| trouble.worth >= best) {
            heard.trouble = Some(trouble);
        }
    }
}

impl ClientContext for Ear {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, text: &str) {
        tracing::debug!(facility, "librdkafka: {text}");
        if facility == "FAIL"
            && let Some(trouble) = Trouble::of_line(text)
        {
            self.hear(trouble);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        let code = Code(code as i32);
        if code == Code::ALL_BROKERS_DOWN {
            let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            heard.all_down = true;
        }
        self.hear(Trouble::of_error(code, reason));
    }
}

impl ProducerContext for Ear {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}
