//! What a person's action on a call needs.

use super::{
    Ledger, LedgerError,
    call::{NewCall, Pending, State},
    reply::Reply,
    row::{PENDING, parent, parsed, pending, resources},
};
use rusqlite::{OptionalExtension, Row};
use zeebe2faas_contract::CallId;

/// Where a call stands, and what its delivery needs.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The call.
    pub call: Pending,
    /// Where it stands.
    pub state: State,
    /// Whether OpenFaaS may hold it.
    pub maybe_queued: bool,
    /// Whether Zeebe has its outcome.
    pub delivered: bool,
    /// The outcome's JSON, once it has ended.
    pub outcome: Option<String>,
}

impl Standing {
    /// Whether this open job waits for the call, which is with OpenFaaS or has an outcome that Zeebe does not have.
    pub fn waits_for(&self, job_key: i64) -> bool {
        let its_own = matches!(&self.call.reply, Reply::Job(held) if held.key == job_key);
        its_own && self.state != State::Accepted && !self.delivered
    }
}

impl Ledger {
    /// Where a call stands; nothing where it is not known.
    pub async fn standing(&self, id: CallId) -> Result<Option<Standing>, LedgerError> {
        let query = format!("SELECT {PENDING}, state, maybe_queued, delivered, outcome FROM calls WHERE call_id = ?1");
        self.writer
            .apply(move |connection| {
                let standing = |row: &Row<'_>| {
                    Ok(Standing {
                        call: pending(row)?,
                        state: State::from_number(row.get(10)?),
                        maybe_queued: row.get(11)?,
                        delivered: row.get(12)?,
                        outcome: row.get(13)?,
                    })
                };
                connection.prepare_cached(&query)?.query_row([id.as_str()], standing).optional()
            })
            .await
    }

    /// An open call as its first submission fixed it.
    pub async fn open_invocation(&self, id: CallId) -> Result<Option<NewCall>, LedgerError> {
        let query = format!(
            "SELECT {PENDING}, job_key, try, job_type, bpmn_process_id, args, outputs,
             memory_bytes, cores, accepted_ms, keep_until_ms, parent FROM calls WHERE call_id = ?1 AND state < 2"
        );
        self.writer.apply(move |c| c.prepare_cached(&query)?.query_row([id.as_str()], invocation).optional()).await
    }

    /// Whatever failure this call of an open job ends with, the job's next try begins at once and costs no retry. Gives
    /// the call as it is now; nothing where Zeebe has its outcome, or no job is open.
    pub async fn retry_now(&self, id: CallId) -> Result<Option<Pending>, LedgerError> {
        let statement = format!(
            "UPDATE calls SET reply = json_set(reply, '$.job.terms.retryNow', json('true'))
             WHERE call_id = ?1 AND holds_job = 1 AND delivered = 0 RETURNING {PENDING}"
        );
        self.writer.apply(move |c| c.prepare_cached(&statement)?.query_row([id.as_str()], pending).optional()).await
    }
}

fn invocation(row: &Row<'_>) -> rusqlite::Result<NewCall> {
    let call = pending(row)?;
    Ok(NewCall {
        id: call.id,
        job_key: row.get(10)?,
        attempt: row.get(11)?,
        job_type: row.get(12)?,
        process_instance_key: call.process_instance_key,
        bpmn_process_id: row.get(13)?,
        element_id: call.element_id,
        tenant: call.tenant,
        function: call.function,
        run_once: call.run_once,
        as_job: call.as_job,
        reply: call.reply,
        result: call.result,
        args: parsed(row, 14)?,
        outputs: parsed(row, 15)?,
        resources: resources(row, 16)?,
        parent: parent(row, 20)?,
        accepted_ms: row.get(18)?,
        deadline_ms: call.deadline_ms,
        keep_until_ms: row.get(19)?,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{super::*, *};

    fn call(terms: Terms) -> NewCall {
        NewCall { reply: Reply::Job(HeldJob { key: 1, terms: Some(terms) }), ..NewCall::example(1) }
    }

    #[tokio::test]
    async fn what_a_person_asked_for_is_not_forgotten_when_the_job_comes_again() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let terms = Terms { retries: 1, attempt: 1, ..Terms::default() };
        let call = call(terms.clone());
        ledger.accept(call.clone(), BegunBy::Nobody).await.unwrap();
        ledger.submitted(call.id.clone(), 1).await.unwrap();
        let asked = Reply::Job(HeldJob { key: 1, terms: Some(Terms { retry_now: true, ..terms.clone() }) });
        assert_eq!(ledger.retry_now(call.id.clone()).await.unwrap().unwrap().reply, asked);

        let more = Terms { retries: 5, ..terms };
        let reply = Reply::Job(HeldJob { key: 1, terms: Some(more.clone()) });
        ledger.accept(NewCall { reply, ..call.clone() }, BegunBy::Nobody).await.unwrap();
        let kept = Reply::Job(HeldJob { key: 1, terms: Some(Terms { retry_now: true, ..more }) });
        assert_eq!(ledger.standing(call.id.clone()).await.unwrap().unwrap().call.reply, kept);

        ledger.delivered(call.id.clone(), 1, 1).await.unwrap();
        assert_eq!(ledger.retry_now(call.id).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_job_whose_last_outcome_is_on_its_way_is_not_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let first = call(Terms::default());
        let second = NewCall { id: CallId::new("test", 1, 2), attempt: 2, ..first.clone() };
        ledger.accept(first.clone(), BegunBy::Nobody).await.unwrap();
        ledger.end(first.id.clone(), "{}".into(), 1).await.unwrap();
        assert!(matches!(ledger.accept(second.clone(), BegunBy::Nobody).await.unwrap(), Acceptance::Unsettled));

        ledger.delivered(first.id, 1, 1).await.unwrap();
        assert!(matches!(
            ledger.accept(second, BegunBy::Nobody).await.unwrap(),
            Acceptance::Submit { queued_before: false, .. }
        ));
    }
}
