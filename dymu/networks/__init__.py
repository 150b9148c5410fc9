"""Anchor net, trees and hypernets."""
