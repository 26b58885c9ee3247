package monitoring

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
)

const minute = time.Minute

func rules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.ParseFile("../../monitoring/alerts.yml", false, model.UTF8Validation, parser.NewParser(parser.Options{}), nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var all []rulefmt.Rule
	for _, group := range groups.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

func TestEveryAlertAsksForFiguresThatExistAndTheManualSaysWhatToDo(t *testing.T) {
	manual, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	known, names := figures(t), []string{}
	for _, rule := range rules(t) {
		if _, err := known.asked(rule.Expr); err != nil {
			t.Error(rule.Alert, err)
		}
		severity := rule.Labels["severity"]
		if !slices.Contains([]string{"critical", "warning"}, severity) {
			t.Error(rule.Alert, "has the severity", severity)
		}
		if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			t.Error(rule.Alert, "does not say what it means")
		}
		if row := fmt.Sprintf("| `%s` | %s | ", rule.Alert, severity); !strings.Contains(string(manual), row) {
			t.Error("docs/monitoring.md has no row", row)
		}
		names = append(names, rule.Alert)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(Zeebe2faas\\w+)`").FindAllStringSubmatch(string(manual), -1) {
		if !slices.Contains(names, row[1]) {
			t.Error("no rule is called", row[1])
		}
	}
}

// What Prometheus reads of a bridge where all is well, once a minute for three hours.
var well = map[string]string{
	`zeebe2faas_calls_in_flight`:                                           "5x180",
	`zeebe2faas_calls_undelivered`:                                         "0x180",
	`zeebe2faas_oldest_call_seconds`:                                       "3600x180",
	`zeebe2faas_nearest_deadline_seconds`:                                  "600x180",
	`zeebe2faas_deliveries_refused_total`:                                  "2x180",
	`zeebe2faas_zeebe_retries_total{rpc="PublishMessage"}`:                 "3x180",
	`zeebe2faas_calls_ended_total{function="otbcli",status="succeeded"}`:   "0+1x180",
	`zeebe2faas_calls_ended_total{function="otbcli",status="failed"}`:      "4x180",
	`zeebe2faas_calls_ended_total{function="otbcli",status="timedOut"}`:    "1x180",
	`zeebe2faas_submissions_total{function="otbcli",result="queued"}`:      "0+1x180",
	`zeebe2faas_submissions_total{function="otbcli",result="refused"}`:     "1x180",
	`zeebe2faas_callbacks_rejected_total{reason="forged"}`:                 "30x180",
	`zeebe2faas_callback_lag_seconds_bucket{function="otbcli",le="1.0"}`:   "0+1x180",
	`zeebe2faas_callback_lag_seconds_bucket{function="otbcli",le="600.0"}`: "0+1x180",
	`zeebe2faas_callback_lag_seconds_bucket{function="otbcli",le="+Inf"}`:  "0+1x180",
	`zeebe2faas_ledger_commit_seconds_bucket{le="0.01"}`:                   "0+60x180",
	`zeebe2faas_ledger_commit_seconds_bucket{le="1.0"}`:                    "0+60x180",
	`zeebe2faas_ledger_commit_seconds_bucket{le="+Inf"}`:                   "0+60x180",
}

// What is otherwise when something is wrong; "" is not there at all.
var wrong = map[string]map[string]string{
	"Zeebe2faasAway":              {`zeebe2faas_calls_in_flight`: ""},
	"Zeebe2faasOutcomesWait":      {`zeebe2faas_calls_undelivered`: "2x180"},
	"Zeebe2faasOutcomeRefused":    {`zeebe2faas_deliveries_refused_total`: "0+1x180"},
	"Zeebe2faasZeebeAway":         {`zeebe2faas_zeebe_retries_total{rpc="PublishMessage"}`: "0+12x180"},
	"Zeebe2faasDeadlinePassed":    {`zeebe2faas_nearest_deadline_seconds`: "-4000x180"},
	"Zeebe2faasOldCall":           {`zeebe2faas_oldest_call_seconds`: "200000x180"},
	"Zeebe2faasTimedOut":          {`zeebe2faas_calls_ended_total{function="otbcli",status="timedOut"}`: "0+1x180"},
	"Zeebe2faasFunctionFails":     {`zeebe2faas_calls_ended_total{function="otbcli",status="failed"}`: "0+2x180"},
	"Zeebe2faasNotSubmitted":      {`zeebe2faas_submissions_total{function="otbcli",result="refused"}`: "0+1x180"},
	"Zeebe2faasCallbackLag":       {`zeebe2faas_callback_lag_seconds_bucket{function="otbcli",le="1.0"}`: "0x180"},
	"Zeebe2faasCallbacksRejected": {`zeebe2faas_callbacks_rejected_total{reason="forged"}`: "0+2x180"},
	"Zeebe2faasSlowLedger":        {`zeebe2faas_ledger_commit_seconds_bucket{le="0.01"}`: "0+50x180"},
	"Zeebe2faasLedgerUnreadable":  {`zeebe2faas_oldest_call_seconds`: ""},
}

// firing are the alerts whose expression holds throughout its time, at the end of these three hours.
func firing(t *testing.T, otherwise map[string]string) []string {
	t.Helper()
	load := "load 1m\n"
	for name, values := range well {
		if other, is := otherwise[name]; is {
			values = other
		}
		if values != "" {
			name, labels, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
			load += fmt.Sprintf("  %s{job=\"zeebe2faas\", instance=\"bridge-0\", %s} %s\n", name, labels, values)
		}
	}
	storage, engine := promqltest.LoadedStorage(t, load), promqltest.NewTestEngine(t, false, 0, math.MaxInt)
	end := time.Unix(0, 0).Add(180 * minute)
	names := []string{}
	for _, rule := range rules(t) {
		holds := true
		for back := time.Duration(0); back <= time.Duration(rule.For); back += minute {
			query, err := engine.NewInstantQuery(t.Context(), storage, nil, rule.Expr, end.Add(-back))
			if err != nil {
				t.Fatal(rule.Alert, err)
			}
			found, err := query.Exec(t.Context()).Vector()
			if err != nil {
				t.Fatal(rule.Alert, err)
			}
			holds = holds && len(found) > 0
		}
		if holds {
			names = append(names, rule.Alert)
		}
	}
	return names
}

func TestNoAlertFiresWhereAllIsWell(t *testing.T) {
	if names := firing(t, nil); len(names) > 0 {
		t.Error("fires:", names)
	}
}

func TestEveryAlertFiresWhereItShouldAndAlone(t *testing.T) {
	for _, rule := range rules(t) {
		otherwise, is := wrong[rule.Alert]
		if !is {
			t.Error("nothing shows when", rule.Alert, "fires")
		} else if names := firing(t, otherwise); !slices.Equal(names, []string{rule.Alert}) {
			t.Error(rule.Alert, "should fire, found", names)
		}
	}
}
