//! What a module author links: connect, call the node, receive its events.
