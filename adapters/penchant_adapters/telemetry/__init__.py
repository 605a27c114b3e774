"""What operators see: metrics, traces and logs. None of them holds a user id or a text.

``metrics`` has every metric, ``scrape`` lets Prometheus and Kubernetes read them, ``loop`` watches the event loop,
``traces`` follows a call or a record from process to process, ``logs`` says how lines are written.
"""
