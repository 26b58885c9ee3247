package monitoring

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type dashboard struct {
	Panels []struct {
		ID      int
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct {
			Expr       string
			Datasource struct{ UID string }
		}
	}
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile("../../monitoring/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var read dashboard
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

func figures(t *testing.T) series {
	t.Helper()
	known, err := readSeries("../../docs/metrics.md")
	if err != nil || len(known) == 0 {
		t.Fatal(len(known), err)
	}
	return known
}

// Of a histogram any of its series will do.
var ending = regexp.MustCompile(`_(bucket|sum|count)$`)

func TestAMistakeInAnExpressionIsFound(t *testing.T) {
	known := figures(t)
	for _, wrong := range []string{
		"sum(zeebe2faas_calls_in_flight",
		"zeebe2faas_calls_in_fligth",
		`zeebe2faas_calls_in_flight{function="otbcli"}`,
		"sum by (function) (zeebe2faas_calls_in_flight)",
		"1",
	} {
		if _, err := known.asked(wrong); err == nil {
			t.Error("taken:", wrong)
		}
	}
}

func TestEveryPanelAsksForFiguresThatExistAndEveryFigureHasAPanel(t *testing.T) {
	known, shown := figures(t), []string{}
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			names, err := known.asked(target.Expr)
			if err != nil {
				t.Error(panel.Title, err)
			}
			if target.Datasource.UID != "${datasource}" {
				t.Error(panel.Title, "asks", target.Datasource.UID)
			}
			for _, name := range names {
				shown = append(shown, ending.ReplaceAllString(name, ""))
			}
		}
	}
	for name := range known {
		if !slices.Contains(shown, ending.ReplaceAllString(name, "")) {
			t.Error("no panel shows", name)
		}
	}
}

func TestEveryVariableIsALabelThatExists(t *testing.T) {
	known := figures(t)
	query := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
	for _, variable := range readDashboard(t).Templating.List {
		if variable.Type == "datasource" {
			continue
		}
		parts := query.FindStringSubmatch(variable.Definition)
		if parts == nil {
			t.Fatal(variable.Name, variable.Definition)
		}
		names, err := known.asked(parts[1])
		if err != nil || !slices.Contains(known[names[0]], parts[2]) {
			t.Error(variable.Definition, err)
		}
	}
}

func TestNoPanelCoversAnother(t *testing.T) {
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, panel := range readDashboard(t).Panels {
		at := panel.GridPos
		if ids[panel.ID] || at.X+at.W > 24 || at.W == 0 || at.H == 0 || strings.TrimSpace(panel.Title) == "" {
			t.Error("an id twice, no title, no room, or too wide:", panel.ID, panel.Title)
		}
		ids[panel.ID] = true
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other, covered := taken[[2]int{x, y}]; covered {
					t.Fatal(panel.Title, "covers", other)
				}
				taken[[2]int{x, y}] = panel.Title
			}
		}
	}
}
