use protox::prost_reflect::{DescriptorPool, FieldDescriptor, MessageDescriptor, MethodDescriptor};
use std::{env, fs::File, io::Read, path::PathBuf, process::Command};
use zeebe2faas::zeebe::proto::DESCRIPTOR;

/// The pinned version.
const ZEEBE: &str = "8.6.0";

/// Zeebe's own protocol file, out of the archive that Maven has or fetches.
fn protocol_of_zeebe() -> String {
    let repository = PathBuf::from(env::var_os("HOME").unwrap()).join(".m2/repository");
    let name = "zeebe-gateway-protocol";
    let jar = repository.join(format!("io/camunda/{name}/{ZEEBE}/{name}-{ZEEBE}.jar"));
    if !jar.exists() {
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "-C", "dependency:get", "-Dtransitive=false"]);
        maven.arg(format!("-Dartifact=io.camunda:{name}:{ZEEBE}:jar"));
        maven.arg(format!("-Dmaven.repo.local={}", repository.display()));
        let output = maven.output().unwrap_or_else(|error| panic!("cannot run Maven, install it: {error}"));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{maven:?} failed; Maven Central must be in reach once: {said}");
    }
    let file = File::open(&jar).unwrap_or_else(|error| panic!("cannot open {}: {error}", jar.display()));
    let mut text = String::new();
    let mut archive = zip::ZipArchive::new(file).unwrap();
    archive.by_name("gateway.proto").unwrap().read_to_string(&mut text).unwrap();
    text
}

fn pool_of_zeebe() -> DescriptorPool {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gateway.proto"), protocol_of_zeebe()).unwrap();
    let descriptors = protox::compile(["gateway.proto"], [folder.path()]).unwrap();
    DescriptorPool::from_file_descriptor_set(descriptors).unwrap()
}

fn our_pool() -> DescriptorPool {
    DescriptorPool::decode(DESCRIPTOR).unwrap()
}

/// Everything of a field that decides what is on the wire, and its names.
fn field(field: &FieldDescriptor) -> String {
    let oneof = field.containing_oneof().map(|oneof| oneof.name().to_owned());
    let (name, number, kind) = (field.name(), field.number(), field.kind());
    let (json, label, presence) = (field.json_name(), field.cardinality(), field.supports_presence());
    let (packed, default) = (field.is_packed(), field.default_value());
    format!("{name} = {number}: {kind:?} {label:?} json {json} oneof {oneof:?} {presence} {packed} {default}")
}

fn method(method: &MethodDescriptor) -> String {
    let (name, input, output) = (method.full_name(), method.input(), method.output());
    let (asks, answers) = (method.is_client_streaming(), method.is_server_streaming());
    format!("{name}({} {asks}) -> {} {answers}", input.full_name(), output.full_name())
}

fn compare_messages(ours: &MessageDescriptor, theirs: &MessageDescriptor) -> Vec<String> {
    let different = ours.fields().filter_map(|ours| {
        let theirs = theirs.get_field_by_name(ours.name()).map_or("absent".to_owned(), |theirs| field(&theirs));
        let ours = field(&ours);
        (ours != theirs).then(|| format!("ours {ours}, Zeebe's {theirs}"))
    });
    different.map(|difference| format!("{}: {difference}", theirs.full_name())).collect()
}

#[test]
fn every_message_and_field_that_we_declare_is_the_same_in_zeebe() {
    let (ours, theirs) = (our_pool(), pool_of_zeebe());
    let mut differences = Vec::new();
    for message in ours.all_messages() {
        match theirs.get_message_by_name(message.full_name()) {
            Some(theirs) => differences.extend(compare_messages(&message, &theirs)),
            None => differences.push(format!("Zeebe has no message {}", message.full_name())),
        }
    }
    assert!(ours.all_messages().len() > 30, "the descriptor is whole");
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn every_enum_value_that_we_declare_is_the_same_in_zeebe() {
    let (ours, theirs) = (our_pool(), pool_of_zeebe());
    assert_eq!(ours.all_enums().len(), 2);
    for ours in ours.all_enums() {
        let theirs = theirs.get_enum_by_name(ours.full_name()).unwrap();
        for value in ours.values() {
            let theirs = theirs.get_value_by_name(value.name()).unwrap();
            assert_eq!(value.number(), theirs.number(), "{}", value.full_name());
        }
    }
}

#[test]
fn every_request_that_we_declare_is_the_same_in_zeebe() {
    let (ours, theirs) = (our_pool(), pool_of_zeebe());
    let ours = ours.get_service_by_name("gateway_protocol.Gateway").unwrap();
    let theirs = theirs.get_service_by_name("gateway_protocol.Gateway").unwrap();
    assert_eq!(ours.methods().len(), 15);
    for ours in ours.methods() {
        let theirs = theirs.methods().find(|theirs| theirs.name() == ours.name());
        let theirs = theirs.unwrap_or_else(|| panic!("Zeebe has no request {}", ours.name()));
        assert_eq!(method(&ours), method(&theirs));
    }
}
