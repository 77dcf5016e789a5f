"""Everything that satisfies embodied.protocols.Policy, and what it stands on: symbolic plans, skills, perception."""
