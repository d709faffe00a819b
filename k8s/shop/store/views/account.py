from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import authenticate, login
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.views import LoginView, LogoutView
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from store.models import Customer
from store.views.access import customer_only


class RegisterForm(forms.Form):
    email = forms.EmailField()
    name = forms.CharField(max_length=100)
    password = forms.CharField(widget=forms.PasswordInput, max_length=128, validators=[validate_password])


class ProfileForm(forms.ModelForm):
    class Meta:
        model = Customer
        fields = ["name", "address"]


class LoginForm(forms.Form):
    """Has what Django's LoginView needs of a form: the request, and `get_user`."""

    email = forms.EmailField()
    password = forms.CharField(widget=forms.PasswordInput, max_length=128)

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request
        self._customer: Customer | None = None

    def clean(self) -> dict[str, Any]:
        email, password = self.cleaned_data.get("email"), self.cleaned_data.get("password")
        if email and password:
            self._customer = authenticate(self._request, username=email.lower(), password=password)
            if self._customer is None:
                raise forms.ValidationError("The address or the password is wrong.")
        return self.cleaned_data

    def get_user(self) -> Customer | None:
        return self._customer


class Login(LoginView):
    template_name = "form.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True
    extra_context = {"title": "Log in", "button": "Log in"}

    def form_invalid(self, form: forms.Form) -> HttpResponse:
        response = super().form_invalid(form)
        response.status_code = 401  # with 200, a load test would take a failed login for a good one
        return response


class Logout(LogoutView):
    http_method_names = ["post", "options"]


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def register(request: HttpRequest) -> HttpResponse:
    form = RegisterForm(request.POST or None)
    if form.is_valid():
        try:
            with transaction.atomic():
                customer = Customer.objects.create_customer(**form.cleaned_data)
        except IntegrityError:
            form.add_error("email", "There is an account with this address.")
        else:
            login(request, customer)
            return redirect("catalogue")
    status = 400 if form.errors else 200
    return render(request, "form.html", {"title": "Register", "button": "Register", "form": form}, status=status)


@customer_only
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None, instance=request.user)
    if form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect("account")
    status = 400 if form.errors else 200
    return render(request, "form.html", {"title": "Your account", "button": "Save", "form": form}, status=status)
