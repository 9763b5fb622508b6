"""The addresses of the site."""

from django.contrib import admin
from django.urls import path

from library import views

urlpatterns = [
    path("", views.shelf, name="shelf"),
    path("count/", views.count_again, name="count_again"),
    path("pictures/<str:name>", views.picture, name="picture"),
    path("admin/", admin.site.urls),
]
