"""The network on Flower: what carries requests and answers between a server and nodes. It knows bytes, and nothing of
federations; none of it imports torch, since Flower starts a process for each message."""
