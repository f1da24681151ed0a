alter table credentials drop column observed;
