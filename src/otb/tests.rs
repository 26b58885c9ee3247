#![expect(clippy::unwrap_used, reason = "tests")]

use super::{Application, Choice, Kind, Parameter, command, element, help};
use serde_json::Value;

const LIST: &str = "
This is the Sample application, version 8.1.1

Does <this> & that.
Tags: Test

More on it.

Parameters:
        -io                <group>          Input and output
MISSING -io.in             <string>         Input (a file)  (mandatory)
MISSING -io.out            <string> [pixel] Output  [pixel=uint8/float] (default value is float) (mandatory)
        -method            <string>         Method [fast/good one] (mandatory, default value is fast)
        -method.fast.size  <int32>          Size  (mandatory, default value is 2)
        -method.fast.files <string list>    Files  (optional, off by default)
        -method.good one.x <float>          No key  (mandatory)
        -log               <string>         Log (text)  (optional, off by default, default value is a (b))
        -progress          <boolean>        Report progress
        -help              <string list>    Display long help

Examples:
otbcli_Sample -io.in a
";

const EXPLAINED: &str = "
        -io                <group>          Input and output
                                            In and out.

MISSING -io.in             <string>         Input (a file)  (mandatory)
                                            First line.
second line, further left

MISSING -io.out            <string> [pixel] Output  [pixel=uint8/float] (default value is float) (mandatory)

        -method            <string>         Method [fast/good one] (mandatory, default value is fast)
                                            How.
                                            - The fast one (fast): Quick.
                                            - The good one (good one): Slow,
                                            but good.

        -method.fast.size  <int32>          Size  (mandatory, default value is 2)

        -method.fast.files <string list>    Files  (optional, off by default)

        -log               <string>         Log (text)  (optional, off by default, default value is a (b))
                                            Where <it> logs.
";

fn sample() -> Application {
    let mut sample = help::application(LIST).unwrap();
    help::describe(&mut sample, EXPLAINED).unwrap();
    sample
}

#[test]
fn what_an_application_says_of_itself_is_read() {
    let sample = sample();
    assert_eq!((sample.name.as_str(), sample.version.as_str()), ("Sample", "8.1.1"));
    assert_eq!(sample.description, "Does <this> & that.");
    let keys: Vec<_> = sample.parameters.iter().map(|parameter| parameter.key.as_str()).collect();
    assert_eq!(keys, ["io", "io.in", "io.out", "method", "method.fast.size", "method.fast.files", "log"]);
    let parameter = |key: &str| sample.parameters.iter().find(|parameter| parameter.key == key).unwrap().clone();
    let input = Parameter {
        key: "io.in".into(),
        name: "Input (a file)".into(),
        description: "First line.\nsecond line, further left".into(),
        kind: Kind::Text,
        is_mandatory: true,
        is_missing: true,
        default: None,
    };
    assert_eq!(parameter("io.in"), input);
    let pixels = ["uint8", "float"].map(str::to_owned).into();
    assert_eq!(parameter("io.out").kind, Kind::Image { pixels, default: Some("float".into()) });
    let choice = |key: &str, name: &str, description: &str| Choice {
        key: key.into(),
        name: name.into(),
        description: description.into(),
    };
    let choices = vec![choice("fast", "The fast one", "Quick."), choice("good one", "The good one", "Slow, but good.")];
    assert_eq!((parameter("method").kind, parameter("method").description), (Kind::Choice(choices), "How.".into()));
    assert_eq!(parameter("log").default.as_deref(), Some("a (b)"));
}

#[test]
fn what_cannot_be_read_is_told() {
    let error = |text: &str| help::application(text).unwrap_err();
    assert_eq!(error(""), "it says nothing");
    assert_eq!(error("\nERROR: Could not find application \"X\"\n"), "ERROR: Could not find application \"X\"");
    let strange = LIST.replace("-log               <string>  ", "-log               <complex> ");
    assert!(error(&strange).starts_with("its parameter `log` cannot be read: -log"), "{}", error(&strange));
    let mut sample = help::application(LIST).unwrap();
    let error = help::describe(&mut sample, &EXPLAINED.replace("-log", "-lag")).unwrap_err();
    assert_eq!(error, "there is no help on its parameter `log`");
}

#[test]
fn the_command_has_what_must_be_given_and_what_is_given() {
    let text = command::template(&sample(), "otbcli", "4h");
    let (_, command) = text.split_once("command = '''\n").unwrap();
    let expected = "\
Sample
    -io.in {{ otb_io_in }}
    -io.out {{ otb_io_out }}{% if otb_io_out_pixel is defined %} {{ otb_io_out_pixel }}{% endif %}
    {% if otb_method is defined %}-method {{ otb_method }}{% endif %}
    {% if otb_method_fast_size is defined %}-method.fast.size {{ otb_method_fast_size }}{% endif %}
    {% if otb_method_fast_files %}-method.fast.files {{ otb_method_fast_files | args }} {% endif %}
    {% if otb_log is defined %}-log {{ otb_log }}{% endif %}
'''
";
    assert_eq!(command, expected);
    assert!(text.contains("\noutputs = [\"io.out\"]\n"), "{text}");
}

#[test]
fn a_field_is_there_when_its_choice_is_made_or_left_to_otb() {
    let element: Value = serde_json::from_str(&element::template(&sample()).unwrap()).unwrap();
    let properties = element["properties"].as_array().unwrap();
    let field = |id: &str| properties.iter().find(|property| property["id"] == id).unwrap();
    let condition = &field("otb_method_fast_size")["condition"];
    assert_eq!(condition, &serde_json::json!({"property": "otb_method", "oneOf": ["", "fast"]}));
    assert_eq!(field("otb_io_in")["constraints"]["notEmpty"], true);
    assert_eq!(field("otb_log")["tooltip"], "Where &lt;it&gt; logs.");
    assert_eq!(field("otb_method")["description"], "-method (default: The fast one)");
    let names: Vec<_> = field("otb_method")["choices"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(names, ["The fast one", "The good one"]);
    assert_eq!(element["version"], 80101);
}

#[test]
fn names_of_templates_are_words() {
    for (name, template) in [
        ("OrthoRectification", "otb-ortho-rectification"),
        ("ExtractROI", "otb-extract-roi"),
        ("LSMSSegmentation", "otb-lsms-segmentation"),
        ("BandMathX", "otb-band-math-x"),
        ("ObtainUTMZoneFromGeoPoint", "otb-obtain-utm-zone-from-geo-point"),
    ] {
        assert_eq!(Application { name: name.into(), ..sample() }.template_name(), template);
    }
}
