"""The web page: a server that reads the store, and what runs in the browser.

    store -> readers -> api (JSON) -> client/ (bundled into static/ when the package is built)

`guard` stands before all of it, `live` takes in what running jobs write and says so to the pages that are open.
"""
