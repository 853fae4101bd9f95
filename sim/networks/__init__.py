"""Who is exposed to whom: layers of exposures, tables read from files, networks reconstructed from margins."""
