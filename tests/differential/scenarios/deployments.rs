//! Deployments: versions, and the same thing twice.

use super::scenarios;
use crate::{
    bpmn::{Bpmn, Event},
    run::{Missing, Run},
};
use serde_json::json;
use zeebe2faas::zeebe::Version;

scenarios![
    the_same_file_twice_keeps_its_version,
    a_changed_file_is_a_new_version,
    several_files_are_deployed_together,
    a_file_with_several_processes,
    the_same_process_twice_in_a_deployment_is_refused,
    running_instances_keep_their_version,
    a_process_that_is_not_executable_is_left_out,
    an_instance_that_ends_at_once_gives_its_variables,
    an_awaited_result_comes_when_the_instance_ends,
];

fn file(name: &str, process: Bpmn) -> (String, String) {
    (name.to_owned(), process.xml())
}

async fn the_same_file_twice_keeps_its_version(run: &mut Run) -> Result<(), Missing> {
    let process = || Bpmn::process("p").end("end");
    run.deploy(process()).await;
    run.deploy(process()).await;
    run.deploy_files(vec![file("other-name.bpmn", process())]).await;
    run.deploy(process()).await;
    run.start("p", json!({})).await?;
    Ok(())
}

async fn a_changed_file_is_a_new_version(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task("a").end("end")).await;
    run.deploy(Bpmn::process("p").task("b").end("end")).await;
    run.deploy(Bpmn::process("p").task("a").end("end")).await;
    run.start("p", json!({})).await?;
    for version in [1, 2, 3] {
        run.start_version("p", Version::Number(version), json!({ "version": version })).await?;
    }
    run.start_version("p", Version::Number(4), json!({})).await.err();
    run.start_version("p", Version::Number(0), json!({})).await.err();
    run.jobs("a").await;
    run.jobs("b").await;
    Ok(())
}

async fn several_files_are_deployed_together(run: &mut Run) -> Result<(), Missing> {
    let p = || file("p.bpmn", Bpmn::process("p").end("end"));
    let q = || file("q.bpmn", Bpmn::process("q").end("end"));
    run.deploy_files(vec![p(), q()]).await;
    // One of them changed, the other did not.
    run.deploy_files(vec![q(), file("p.bpmn", Bpmn::process("p").pass("x").end("end"))]).await;
    run.deploy_files(vec![p(), q()]).await;
    Ok(())
}

async fn a_file_with_several_processes(run: &mut Run) -> Result<(), Missing> {
    let text = Bpmn::process("p").task("a").end("end").xml();
    let more = r#"<process id="~q" isExecutable="true"><startEvent id="q-start"/></process></definitions>"#;
    run.deploy_files(vec![("both.bpmn".to_owned(), text.replace("</definitions>", more))]).await;
    run.start("p", json!({})).await?;
    run.start("q", json!({})).await?;
    Ok(())
}

async fn the_same_process_twice_in_a_deployment_is_refused(run: &mut Run) -> Result<(), Missing> {
    run.codes_only();
    run.deploy_files(vec![
        file("one.bpmn", Bpmn::process("p").end("end")),
        file("two.bpmn", Bpmn::process("p").end("end")),
    ])
    .await;
    run.start("p", json!({})).await.err();
    Ok(())
}

async fn running_instances_keep_their_version(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task("a").task("b").end("end")).await;
    run.start("p", json!({})).await?;
    run.deploy(Bpmn::process("p").task("a").task("c").end("end")).await;
    run.start("p", json!({})).await?;
    for job_type in ["a", "b", "c"] {
        for job in run.jobs(job_type).await {
            run.complete(&job, json!({})).await;
        }
    }
    Ok(())
}

async fn a_process_that_is_not_executable_is_left_out(run: &mut Run) -> Result<(), Missing> {
    run.codes_only();
    let text = Bpmn::process("p").end("end").xml();
    run.deploy_files(vec![("p.bpmn".to_owned(), text.replace("isExecutable=\"true\"", ""))]).await;
    run.start("p", json!({})).await.err();
    run.deploy_files(vec![("p.bpmn".to_owned(), text.replace("\"true\"", "\"false\""))]).await;
    Ok(())
}

async fn an_instance_that_ends_at_once_gives_its_variables(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").end("end").output("=v + 1", "w")).await;
    let waiting = run.start_and_wait("p", &json!({ "v": 1, "x": [1] }), &["w", "x"]);
    run.result(waiting).await;
    let waiting = run.start_and_wait("p", &json!(null), &[]);
    run.result(waiting).await;
    Ok(())
}

async fn an_awaited_result_comes_when_the_instance_ends(run: &mut Run) -> Result<(), Missing> {
    let task = Bpmn::process("p").task("a").end("end");
    run.deploy(task.boundary("stop", "a", Event::Message("m", "=\"k\"")).end("stopped")).await;
    let waiting = run.start_and_wait("p", &json!({ "v": 1 }), &[]);
    let job = run.poll("a");
    let job = run.polled(job).await?;
    run.complete(&job, json!({ "w": 2 })).await;
    run.result(waiting).await;
    Ok(())
}
