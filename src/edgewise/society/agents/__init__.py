"""Agents: one interface, five kinds (chat, learning, exact, scripted, replay)."""
