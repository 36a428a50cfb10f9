"""What people look at: tables, figures and pages. It computes nothing that it shows."""
