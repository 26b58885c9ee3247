//! BPMN with Zeebe's extensions, read into a checked model; all that is not supported is refused by element and line.
