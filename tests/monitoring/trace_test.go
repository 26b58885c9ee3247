package monitoring

import (
	"os"
	"slices"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// trace.binpb is what a test of src/traces/spans.rs makes.
func TestTheCollectorReadsWhatTheBridgeSends(t *testing.T) {
	body, err := os.ReadFile("trace.binpb")
	if err != nil {
		t.Fatal(err)
	}
	request := ptraceotlp.NewExportRequest()
	if err := request.UnmarshalProto(body); err != nil {
		t.Fatal(err)
	}
	names, found := []string{}, map[string]ptrace.Span{}
	for _, resource := range request.Traces().ResourceSpans().All() {
		service, _ := resource.Resource().Attributes().Get("service.name")
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				names = append(names, service.Str()+": "+span.Name())
				found[span.Name()] = span
			}
		}
	}
	expected := []string{
		"zeebe2faas: call otbcli", "zeebe2faas: submit otbcli", "zeebe2faas: wait otbcli", "zeebe2faas: deliver otbcli",
		"otbcli: run otbcli",
	}
	if !slices.Equal(names, expected) {
		t.Fatal(names)
	}
	call, run := found["call otbcli"], found["run otbcli"]
	if id := call.TraceID().String(); id != "4bf92f3577b34da6a3ce929d0e0e4736" || run.TraceID() != call.TraceID() {
		t.Error(id, run.TraceID())
	}
	if call.ParentSpanID().String() != "00f067aa0ba902b7" || run.ParentSpanID() != call.SpanID() || run.SpanID().IsEmpty() {
		t.Error(call.ParentSpanID(), call.SpanID(), run.ParentSpanID(), run.SpanID())
	}
	if call.StartTimestamp() != 1_000_000_000 || call.EndTimestamp() != 63_700_000_000 {
		t.Error(call.StartTimestamp(), call.EndTimestamp())
	}
	if run.Kind() != ptrace.SpanKindConsumer || run.Status().Code() != ptrace.StatusCodeError || run.Status().Message() != "exit code 1" {
		t.Error(run.Kind(), run.Status().Code(), run.Status().Message())
	}
	if key, _ := call.Attributes().Get("zeebe.process_instance_key"); key.Int() != 7 {
		t.Error(key.AsString())
	}
	if element, _ := call.Attributes().Get("zeebe.element_id"); element.Str() != "ortho" {
		t.Error(element.AsString())
	}
}
