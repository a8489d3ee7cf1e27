package config

import (
	"fmt"
	"slices"
	"strings"

	"pipit/agent"
)

// people reads [people]: who may do what, by JID.
func (l *loader) people(s section) map[string]agent.Role {
	people := make(map[string]agent.Role)
	written := make(map[string]string) // the key of each normalised JID
	keys := s.keys()
	if len(keys) > maxPeople {
		s.r.fail(s.path, "there are %d people, at most %d are possible", len(keys), maxPeople)
		return nil
	}
	for _, key := range keys {
		role, ok := personRole(s, key)
		if !ok {
			continue
		}
		jid, err := l.person(key)
		if err != nil {
			s.fail(key, "%s", err)
			continue
		}
		if first, ok := written[jid]; ok {
			s.fail(key, "this is the same person as %q in line %d", first, s.r.index.line(s.at(first)))
			continue
		}
		written[jid] = key
		people[jid] = role
	}
	if !hasOwner(people) {
		s.r.warn(s.path, "nobody is an owner: nobody may change this device")
	}
	return people
}

// role reads a role that a command or an output needs.
func (s section) role(key, word string) agent.Role {
	role, err := agent.ParseRole(word)
	if err != nil && s.given(key) {
		s.fail(key, "unknown role %q%s", word, options(word, []string{"viewer", "operator", "owner"}))
	}
	return role
}

// forOwners are the commands that no config leaves to anybody else.
var forOwners = append([]string{"people", "grant", "revoke", "audit", "log", "reload"}, dangerous...)

// roles reads [roles]: who may run a command, by its name.
func (l *loader) roles(s section, custom []agent.Custom) map[string]agent.Role {
	names := slices.DeleteFunc(slices.Clone(l.env.Commands), func(name string) bool { return name == "yes" })
	for _, c := range custom {
		names = append(names, c.Name)
	}
	if len(s.table) == 0 {
		return nil
	}
	roles := make(map[string]agent.Role)
	for _, name := range s.keys() {
		word, ok := s.table[name].(string)
		switch {
		case !slices.Contains(names, name):
			s.fail(name, "there is no such command%s", options(name, names))
			continue
		case !ok:
			s.fail(name, "%s", wants("a string", s.table[name]))
			continue
		}
		if roles[name] = s.role(name, word); roles[name] < agent.Owner && slices.Contains(forOwners, name) {
			s.fail(name, "this command is for owners alone")
		}
	}
	return roles
}

func hasOwner(people map[string]agent.Role) bool {
	for _, role := range people {
		if role == agent.Owner {
			return true
		}
	}
	return false
}

func (l *loader) person(key string) (string, error) {
	jid, err := l.env.ParseAccount(key)
	if err != nil {
		return "", err
	}
	if bare, resource, ok := strings.Cut(jid, "/"); ok {
		return "", fmt.Errorf("write the bare JID %q, without /%s", bare, resource)
	}
	return jid, nil
}

// personRole returns the role of a person; ok is false when the key cannot be
// a JID because it stands without quotes.
func personRole(s section, key string) (role agent.Role, ok bool) {
	switch v := s.table[key].(type) {
	case string:
		role, err := agent.ParseRole(v)
		if err != nil {
			allowed := []string{agent.Owner.String(), agent.Operator.String(), agent.Viewer.String()}
			s.fail(key, "unknown role %q%s", v, options(v, allowed))
		}
		return role, true
	case map[string]any:
		s.fail(key, `wants a string, has a table: write the JID in quotes, "name@example.org" = "owner"`)
		return agent.Stranger, false
	default:
		s.fail(key, "%s", wants("a string", v))
		return agent.Stranger, true
	}
}
